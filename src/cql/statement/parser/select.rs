//! `SELECT`.

use crate::cql::statement::{
    Comparison, Condition, Direction, MarkerPlace, Relation, Select, Selected, Selector, Statement, Subject, Term,
    lexer::Kind,
    parser::{Parser, Result, value::marker},
};

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Result<Statement> {
        self.words(&["SELECT"])?;
        let distinct = self.is_modifier("DISTINCT") && self.eat_word("DISTINCT")?;
        if self.is_modifier("JSON") {
            return Ok(Statement::Unsupported("SELECT JSON".to_owned()));
        }
        let selected = if self.eat("*")? { None } else { Some(self.some(Self::selected)?) };
        self.words(&["FROM"])?;
        let from = self.table()?;
        let conditions = if self.eat_word("WHERE")? { self.conditions()? } else { Vec::new() };
        if self.token.is_word("GROUP") {
            return Ok(Statement::Unsupported("GROUP BY".to_owned()));
        }
        let mut order = Vec::new();
        if self.eat_word("ORDER")? {
            self.words(&["BY"])?;
            order = self.some(Self::order)?;
        }
        let mut per_partition_limit = None;
        if self.eat_word("PER")? {
            self.words(&["PARTITION", "LIMIT"])?;
            per_partition_limit = Some(self.term(&marker("[per_partition_limit]", MarkerPlace::Int))?);
        }
        let mut limit = None;
        if self.eat_word("LIMIT")? {
            limit = Some(self.term(&marker("[limit]", MarkerPlace::Int))?);
        }
        let allow_filtering = self.eat_word("ALLOW")?;
        if allow_filtering {
            self.words(&["FILTERING"])?;
        }
        Ok(Statement::Select(Select {
            distinct,
            selected,
            from,
            conditions,
            order,
            per_partition_limit,
            limit,
            allow_filtering,
        }))
    }

    /// Whether this word is next, and does not stand for a column of that name.
    fn is_modifier(&self, word: &str) -> bool {
        let next = &self.next;
        self.token.is_word(word) && !(next.is(",") || next.is("(") || next.is_word("FROM") || next.is_word("AS"))
    }

    fn selected(&mut self) -> Result<Selected> {
        let selector = if self.token.kind == Kind::Word && self.next.is("(") {
            self.function_of_columns()?
        } else {
            Selector::Column(self.name("the name of a column, or a function")?)
        };
        let alias = if self.eat_word("AS")? { Some(self.name("another name")?) } else { None };
        Ok(Selected { selector, alias })
    }

    fn function_of_columns(&mut self) -> Result<Selector> {
        let name = self.take()?.text.to_ascii_lowercase();
        self.symbol("(")?;
        if name == "count" && (self.token.is("*") || (self.token.kind == Kind::Integer && self.token.text == "1")) {
            self.take()?;
            self.symbol(")")?;
            return Ok(Selector::Count);
        }
        let columns = self.list(")", Self::column)?;
        Ok(match (name.as_str(), columns.as_slice()) {
            ("blobastext", [column]) => Selector::BlobAsText(column.clone()),
            ("textasblob", [column]) => Selector::TextAsBlob(column.clone()),
            ("writetime", [column]) => Selector::WriteTime(column.clone()),
            ("ttl", [column]) => Selector::Ttl(column.clone()),
            ("token", [_, ..]) => Selector::Token(columns),
            _ => Selector::Function { name, columns },
        })
    }

    pub(super) fn order(&mut self) -> Result<(String, Direction)> {
        let column = self.column()?;
        let descending = !self.eat_word("ASC")? && self.eat_word("DESC")?;
        Ok((column, if descending { Direction::Descending } else { Direction::Ascending }))
    }

    // ---- WHERE

    pub(super) fn conditions(&mut self) -> Result<Vec<Condition>> {
        let mut conditions = vec![self.condition()?];
        while self.eat_word("AND")? {
            conditions.push(self.condition()?);
        }
        Ok(conditions)
    }

    fn condition(&mut self) -> Result<Condition> {
        if self.token.is_word("TOKEN") && self.next.is("(") {
            self.take()?;
            let columns = self.columns_in_parentheses()?;
            let place = marker("partition key token", MarkerPlace::Token);
            let relation = Relation::Compare(self.comparison()?, self.term(&place)?);
            return Ok(Condition { subject: Subject::Token(columns), relation });
        }
        if !self.token.is("(") {
            let column = self.column()?;
            let relation = self.relation(&column)?;
            return Ok(Condition { subject: Subject::Column(column), relation });
        }
        let mut columns = self.columns_in_parentheses()?;
        let length = columns.len();
        let place = columns.first().cloned().unwrap_or_default();
        let relation = self.relation(&place)?;
        match (columns.pop(), length) {
            (Some(column), 1) => Ok(Condition { subject: Subject::Column(column), relation: self.singles(relation)? }),
            (last, _) => {
                columns.extend(last);
                Ok(Condition { subject: Subject::Columns(columns), relation })
            }
        }
    }

    /// The relation of a column itself, out of that of a tuple of it.
    fn singles(&self, relation: Relation) -> Result<Relation> {
        let single = |term: Term| match term {
            Term::Tuple(items) => <[Term; 1]>::try_from(items).ok().map(|[term]| term),
            _ => None,
        };
        let relation = match relation {
            Relation::Compare(comparison, term) => single(term).map(|term| Relation::Compare(comparison, term)),
            Relation::In(terms) => terms.into_iter().map(single).collect::<Option<_>>().map(Relation::In),
            Relation::InList(_) => None,
        };
        relation.ok_or_else(|| self.problem("before this a value was expected in parentheses, like (0x64)".to_owned()))
    }

    fn comparison(&mut self) -> Result<Comparison> {
        let comparison = match (self.token.kind, self.token.text) {
            (Kind::Symbol, "=") => Comparison::Equal,
            (Kind::Symbol, "!=") => Comparison::NotEqual,
            (Kind::Symbol, "<") => Comparison::Less,
            (Kind::Symbol, "<=") => Comparison::LessOrEqual,
            (Kind::Symbol, ">") => Comparison::Greater,
            (Kind::Symbol, ">=") => Comparison::GreaterOrEqual,
            _ => return Err(self.expected("'=', '<', '<=', '>', '>=', or IN")),
        };
        self.take()?;
        Ok(comparison)
    }

    fn relation(&mut self, column: &str) -> Result<Relation> {
        let place = marker(column, MarkerPlace::Column(column.to_owned()));
        if !self.eat_word("IN")? {
            return Ok(Relation::Compare(self.comparison()?, self.term(&place)?));
        }
        if self.eat("(")? {
            return self.list(")", |parser| parser.term(&place)).map(Relation::In);
        }
        if !self.token.is("?") && !self.token.is(":") {
            return Err(self.expected("'(' or a marker"));
        }
        self.term(&marker(&format!("in({column})"), MarkerPlace::In(column.to_owned()))).map(Relation::InList)
    }
}
