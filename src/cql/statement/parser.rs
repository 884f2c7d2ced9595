//! Statements out of words.
//!
//! Each function reads one part of the grammar, and goes on where that ends. What can stand in itself (values, types) has a limit of
//! its depth, and the whole has a limit of its words: so the stack and the memory that a text takes are bounded.

use super::{
    BatchText, ColumnDefinition, Comparison, Condition, CreateTable, Delete, Described, Direction, Insert, Marker,
    MarkerPlace, Parsed, Relation, Select, Selected, Selector, Statement, Subject, SyntaxError, TableName,
    TableOptions, Term, Update, Using,
    lexer::{Kind, Lexer, Token},
};
use crate::cql::frame::BatchKind;
use bytes::Bytes;
use uuid::Uuid;

/// Values in values, types in types.
const DEEPEST: usize = 32;
/// Words of a statement: 4,096 keys are 8,192, each of them kept in less than 200 bytes.
const MOST_TOKENS: usize = 1 << 18;
/// What the protocol can give values for.
const MOST_MARKERS: usize = 65_535;
/// Characters of a wrong word that are shown.
const SHOWN: usize = 40;

/// Words that are names only in quotes.
const RESERVED: &[&str] = &[
    "add",
    "allow",
    "alter",
    "and",
    "apply",
    "asc",
    "authorize",
    "batch",
    "begin",
    "by",
    "columnfamily",
    "create",
    "delete",
    "desc",
    "describe",
    "drop",
    "entries",
    "execute",
    "false",
    "from",
    "full",
    "grant",
    "if",
    "in",
    "index",
    "infinity",
    "insert",
    "into",
    "is",
    "keyspace",
    "limit",
    "materialized",
    "modify",
    "nan",
    "norecursive",
    "not",
    "null",
    "of",
    "on",
    "or",
    "order",
    "primary",
    "rename",
    "replace",
    "revoke",
    "schema",
    "select",
    "set",
    "table",
    "to",
    "token",
    "true",
    "truncate",
    "unlogged",
    "update",
    "use",
    "using",
    "view",
    "where",
    "with",
];

/// What else can stand after CREATE, ALTER, and DROP.
const UNSUPPORTED_THINGS: &[&str] =
    &["INDEX", "CUSTOM", "TYPE", "ROLE", "USER", "FUNCTION", "AGGREGATE", "TRIGGER", "MATERIALIZED", "OR"];
/// What else a statement can begin with.
const UNSUPPORTED: &[&str] = &["GRANT", "REVOKE", "LIST"];
/// What nobody has here, and can be described as nothing.
const NOTHING: &[&str] = &["TYPES", "FUNCTIONS", "AGGREGATES"];

type Result<T> = std::result::Result<T, SyntaxError>;

/// Reads a text.
pub fn parse(text: &str) -> Result<Parsed> {
    let mut lexer = Lexer::new(text);
    let (token, next) = (lexer.next(), lexer.next());
    let mut parser = Parser { text, lexer, token, next, tokens_left: MOST_TOKENS, depth: 0, markers: Vec::new() };
    let statement = parser.statement()?;
    if !matches!(statement, Statement::Unsupported(_)) {
        parser.eat(";")?;
        if parser.token.kind != Kind::End {
            return Err(parser.expected("the end of the statement"));
        }
    }
    Ok(Parsed { statement, markers: parser.markers })
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// Not yet taken.
    token: Token<'a>,
    /// The one after it.
    next: Token<'a>,
    tokens_left: usize,
    depth: usize,
    markers: Vec<Marker>,
}

impl<'a> Parser<'a> {
    /// An error at the word that is next.
    fn problem(&self, problem: String) -> SyntaxError {
        let before = self.text.get(..self.token.offset).unwrap_or_default();
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        SyntaxError {
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: before.get(line_begin..).unwrap_or_default().chars().count(),
            problem,
        }
    }

    /// That the word that is next is another than what was expected.
    fn expected(&self, expected: &str) -> SyntaxError {
        let text = self.token.text;
        let shown = match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        };
        let found = match self.token.kind {
            Kind::End => "the end of the text".to_owned(),
            Kind::Bad(problem) => format!("{problem} ({shown})"),
            Kind::Text | Kind::DollarText | Kind::QuotedName => shown,
            Kind::Word | Kind::Blob | Kind::Integer | Kind::Float | Kind::Uuid | Kind::Symbol => format!("'{shown}'"),
        };
        self.problem(format!("found {found}, expected {expected}"))
    }

    /// Takes the word that is next.
    fn take(&mut self) -> Result<Token<'a>> {
        let Some(left) = self.tokens_left.checked_sub(1) else {
            return Err(self.problem(format!("the statement goes on, expected at most {MOST_TOKENS} words")));
        };
        self.tokens_left = left;
        let taken = self.token;
        self.token = self.next;
        self.next = self.lexer.next();
        Ok(taken)
    }

    /// Takes this key word if it is next.
    fn eat_word(&mut self, word: &str) -> Result<bool> {
        let is_next = self.token.is_word(word);
        if is_next {
            self.take()?;
        }
        Ok(is_next)
    }

    /// Takes one of these key words.
    fn eat_either(&mut self, words: [&str; 2]) -> Result<bool> {
        let [one, other] = words;
        Ok(self.eat_word(one)? || self.eat_word(other)?)
    }

    /// Takes these key words, one after the other.
    fn words(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.eat_word(word)? {
                return Err(self.expected(word));
            }
        }
        Ok(())
    }

    /// Takes this symbol if it is next.
    fn eat(&mut self, symbol: &str) -> Result<bool> {
        let is_next = self.token.is(symbol);
        if is_next {
            self.take()?;
        }
        Ok(is_next)
    }

    /// Takes this symbol.
    fn symbol(&mut self, symbol: &str) -> Result<()> {
        if self.eat(symbol)? { Ok(()) } else { Err(self.expected(&format!("'{symbol}'"))) }
    }

    /// Takes a name.
    fn name(&mut self, what: &str) -> Result<String> {
        match self.token.kind {
            Kind::Word if !RESERVED.iter().any(|word| self.token.is_word(word)) => {
                Ok(self.take()?.text.to_ascii_lowercase())
            }
            Kind::QuotedName if self.token.text.len() > 2 => Ok(unquoted(self.take()?.text, '"')),
            _ => Err(self.expected(what)),
        }
    }

    fn column(&mut self) -> Result<String> {
        self.name("the name of a column")
    }

    fn keyspace(&mut self) -> Result<String> {
        self.name("the name of a keyspace")
    }

    fn table(&mut self) -> Result<TableName> {
        let name = self.name("the name of a table")?;
        if !self.eat(".")? {
            return Ok(TableName { keyspace: None, name });
        }
        Ok(TableName { keyspace: Some(name), name: self.name("the name of a table")? })
    }

    /// Things with commas between them, until this symbol, which is taken.
    fn list<T>(&mut self, end: &str, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        if self.eat(end)? {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(end)? {
                return Ok(items);
            }
            if !self.eat(",")? {
                return Err(self.expected(&format!("',' or '{end}'")));
            }
        }
    }

    /// At least one thing, with commas between them.
    fn some<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat(",")? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// At least one column, in parentheses.
    fn columns_in_parentheses(&mut self) -> Result<Vec<String>> {
        self.symbol("(")?;
        let columns = self.some(Self::column)?;
        self.symbol(")")?;
        Ok(columns)
    }

    /// Something that can stand in itself.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEEPEST {
            return Err(self.problem(format!("values and types are nested more than {DEEPEST} deep")));
        }
        self.depth += 1;
        let part = part(self);
        self.depth -= 1;
        part
    }

    fn statement(&mut self) -> Result<Statement> {
        if self.token.kind == Kind::Word {
            let first = self.token.text.to_ascii_uppercase();
            match first.as_str() {
                "USE" => {
                    self.take()?;
                    return self.keyspace().map(Statement::Use);
                }
                "SELECT" => return self.select(),
                "INSERT" | "UPDATE" | "DELETE" => return self.write(),
                "TRUNCATE" => {
                    self.take()?;
                    self.eat_either(["TABLE", "COLUMNFAMILY"])?;
                    return self.table().map(Statement::Truncate);
                }
                "BEGIN" => return self.batch(),
                "CREATE" | "ALTER" | "DROP" => return self.schema(&first),
                "DESCRIBE" | "DESC" => return self.describe(),
                first if UNSUPPORTED.contains(&first) => return Ok(Statement::Unsupported(first.to_owned())),
                _ => {}
            }
        }
        Err(self.expected(
            "a statement (SELECT, INSERT, UPDATE, DELETE, BEGIN, USE, CREATE, ALTER, DROP, TRUNCATE, or DESCRIBE)",
        ))
    }

    fn describe(&mut self) -> Result<Statement> {
        self.take()?;
        self.eat_word("FULL")?;
        let described = if self.eat_word("KEYSPACES")? {
            Described::Keyspaces
        } else if self.eat_either(["TABLES", "COLUMNFAMILIES"])? {
            Described::Tables
        } else if self.eat_word("CLUSTER")? {
            Described::Cluster
        } else if self.eat_word("SCHEMA")? {
            Described::Schema
        } else if self.eat_word("KEYSPACE")? {
            let is_named = !matches!(self.token.kind, Kind::End | Kind::Symbol) && !self.token.is_word("WITH");
            Described::Keyspace(if is_named { Some(self.keyspace()?) } else { None })
        } else if self.eat_either(["TABLE", "COLUMNFAMILY"])? {
            Described::Table(self.table()?)
        } else if NOTHING.iter().any(|word| self.token.is_word(word)) {
            self.take()?;
            Described::Nothing
        } else {
            Described::Named(self.table()?)
        };
        if self.eat_word("WITH")? {
            self.words(&["INTERNALS"])?;
        }
        Ok(Statement::Describe(described))
    }

    // ---- SELECT

    fn select(&mut self) -> Result<Statement> {
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

    fn order(&mut self) -> Result<(String, Direction)> {
        let column = self.column()?;
        let descending = !self.eat_word("ASC")? && self.eat_word("DESC")?;
        Ok((column, if descending { Direction::Descending } else { Direction::Ascending }))
    }

    // ---- WHERE

    fn conditions(&mut self) -> Result<Vec<Condition>> {
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

    // ---- INSERT, UPDATE, DELETE, BATCH

    fn write(&mut self) -> Result<Statement> {
        if self.eat_word("INSERT")? {
            return self.insert();
        }
        if self.eat_word("UPDATE")? {
            return self.update();
        }
        if self.eat_word("DELETE")? {
            return self.delete();
        }
        Err(self.expected("INSERT, UPDATE, or DELETE"))
    }

    fn insert(&mut self) -> Result<Statement> {
        self.words(&["INTO"])?;
        let table = self.table()?;
        if self.token.is_word("JSON") {
            return Ok(Statement::Unsupported("INSERT JSON".to_owned()));
        }
        let names = self.columns_in_parentheses()?;
        self.words(&["VALUES"])?;
        self.symbol("(")?;
        let mut columns = Vec::new();
        for name in names {
            if !columns.is_empty() {
                self.symbol(",")?;
            }
            let value = self.column_value(&name)?;
            columns.push((name, value));
        }
        self.symbol(")")?;
        let if_not_exists = self.eat_word("IF")?;
        if if_not_exists {
            self.words(&["NOT", "EXISTS"])?;
        }
        let using = self.using()?;
        Ok(Statement::Insert(Insert { table, columns, if_not_exists, using }))
    }

    fn update(&mut self) -> Result<Statement> {
        let table = self.table()?;
        let using = self.using()?;
        self.words(&["SET"])?;
        let columns = self.some(|parser| {
            let column = parser.column()?;
            parser.symbol("=")?;
            let value = parser.column_value(&column)?;
            Ok((column, value))
        })?;
        self.words(&["WHERE"])?;
        let conditions = self.conditions()?;
        if self.token.is_word("IF") {
            return Ok(Statement::Unsupported("UPDATE ... IF".to_owned()));
        }
        Ok(Statement::Update(Update { table, using, columns, conditions }))
    }

    fn delete(&mut self) -> Result<Statement> {
        let columns = if self.token.is_word("FROM") { Vec::new() } else { self.some(Self::column)? };
        self.words(&["FROM"])?;
        let table = self.table()?;
        let using = self.using()?;
        self.words(&["WHERE"])?;
        let conditions = self.conditions()?;
        if self.token.is_word("IF") {
            return Ok(Statement::Unsupported("DELETE ... IF".to_owned()));
        }
        Ok(Statement::Delete(Delete { columns, table, using, conditions }))
    }

    fn using(&mut self) -> Result<Using> {
        let mut using = Using::default();
        if !self.eat_word("USING")? {
            return Ok(using);
        }
        loop {
            if self.eat_word("TIMESTAMP")? {
                using.timestamp = Some(self.term(&marker("[timestamp]", MarkerPlace::Timestamp))?);
            } else if self.eat_word("TTL")? {
                using.ttl = Some(self.term(&marker("[ttl]", MarkerPlace::Int))?);
            } else {
                return Err(self.expected("TIMESTAMP or TTL"));
            }
            if !self.eat_word("AND")? {
                return Ok(using);
            }
        }
    }

    fn batch(&mut self) -> Result<Statement> {
        self.words(&["BEGIN"])?;
        let kind = if self.eat_word("UNLOGGED")? {
            BatchKind::Unlogged
        } else if self.eat_word("COUNTER")? {
            BatchKind::Counter
        } else {
            BatchKind::Logged
        };
        self.words(&["BATCH"])?;
        let using = self.using()?;
        let mut statements = Vec::new();
        while !self.eat_word("APPLY")? {
            let statement = self.write()?;
            // The rest of such a statement was not read.
            if matches!(statement, Statement::Unsupported(_)) {
                return Ok(statement);
            }
            statements.push(statement);
            self.eat(";")?;
        }
        self.words(&["BATCH"])?;
        Ok(Statement::Batch(BatchText { kind, using, statements }))
    }

    // ---- CREATE, ALTER, DROP

    fn schema(&mut self, verb: &str) -> Result<Statement> {
        self.take()?;
        if let Some(thing) = UNSUPPORTED_THINGS.iter().find(|thing| self.token.is_word(thing)) {
            return Ok(Statement::Unsupported(format!("{verb} {thing}")));
        }
        let is_keyspace = self.eat_either(["KEYSPACE", "SCHEMA"])?;
        if !is_keyspace && !self.eat_either(["TABLE", "COLUMNFAMILY"])? {
            return Err(self.expected("KEYSPACE or TABLE"));
        }
        let statement = match (verb, is_keyspace) {
            ("CREATE", true) => {
                let if_not_exists = self.if_not_exists()?;
                let name = self.keyspace()?;
                Statement::CreateKeyspace { name, if_not_exists, options: self.keyspace_options()? }
            }
            ("CREATE", false) => self.create_table()?,
            ("ALTER", true) => Statement::AlterKeyspace { name: self.keyspace()?, options: self.keyspace_options()? },
            ("ALTER", false) => self.alter_table()?,
            (_, true) => {
                let if_exists = self.if_exists()?;
                Statement::DropKeyspace { name: self.keyspace()?, if_exists }
            }
            (_, false) => {
                let if_exists = self.if_exists()?;
                Statement::DropTable { table: self.table()?, if_exists }
            }
        };
        if !self.markers.is_empty() {
            return Err(self.problem(format!("before this is a marker, expected none in {verb}")));
        }
        Ok(statement)
    }

    fn if_not_exists(&mut self) -> Result<bool> {
        let is_there = self.eat_word("IF")?;
        if is_there {
            self.words(&["NOT", "EXISTS"])?;
        }
        Ok(is_there)
    }

    fn if_exists(&mut self) -> Result<bool> {
        let is_there = self.eat_word("IF")?;
        if is_there {
            self.words(&["EXISTS"])?;
        }
        Ok(is_there)
    }

    /// The name of an option, and its value.
    fn option(&mut self) -> Result<(String, Term)> {
        let name = self.name("the name of an option")?;
        self.symbol("=")?;
        let place = marker(&name, MarkerPlace::Text);
        let value = self.term(&place)?;
        Ok((name, value))
    }

    fn keyspace_options(&mut self) -> Result<Vec<(String, Term)>> {
        self.words(&["WITH"])?;
        let mut options = vec![self.option()?];
        while self.eat_word("AND")? {
            options.push(self.option()?);
        }
        Ok(options)
    }

    fn table_options(&mut self) -> Result<TableOptions> {
        let mut options = TableOptions::default();
        loop {
            if self.token.is_word("COMPACT") && self.next.is_word("STORAGE") {
                self.words(&["COMPACT", "STORAGE"])?;
                options.compact_storage = true;
            } else if self.token.is_word("CLUSTERING") && self.next.is_word("ORDER") {
                self.words(&["CLUSTERING", "ORDER", "BY"])?;
                self.symbol("(")?;
                options.clustering_order = self.some(Self::order)?;
                self.symbol(")")?;
            } else {
                options.others.push(self.option()?);
            }
            if !self.eat_word("AND")? {
                return Ok(options);
            }
        }
    }

    fn alter_table(&mut self) -> Result<Statement> {
        let table = self.table()?;
        if let Some(verb) = ["ADD", "DROP", "RENAME", "ALTER"].into_iter().find(|verb| self.token.is_word(verb)) {
            return Ok(Statement::Unsupported(format!("ALTER TABLE ... {verb}")));
        }
        self.words(&["WITH"])?;
        Ok(Statement::AlterTable { table, options: self.table_options()? })
    }

    fn create_table(&mut self) -> Result<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let table = self.table()?;
        let mut create = CreateTable {
            table,
            if_not_exists,
            columns: Vec::new(),
            partition_key: Vec::new(),
            clustering: Vec::new(),
            options: TableOptions::default(),
        };
        self.symbol("(")?;
        self.list(")", |parser| parser.column_definition(&mut create))?;
        if self.eat_word("WITH")? {
            create.options = self.table_options()?;
        }
        Ok(Statement::CreateTable(create))
    }

    /// A column, or the key.
    fn column_definition(&mut self, create: &mut CreateTable) -> Result<()> {
        if self.token.is_word("PRIMARY") {
            self.no_key_yet(create)?;
            self.words(&["PRIMARY", "KEY"])?;
            self.symbol("(")?;
            create.partition_key =
                if self.token.is("(") { self.columns_in_parentheses()? } else { vec![self.column()?] };
            while self.eat(",")? {
                create.clustering.push(self.column()?);
            }
            return self.symbol(")");
        }
        let name = self.column()?;
        let value_type = self.value_type()?;
        let is_static = self.eat_word("STATIC")?;
        if self.token.is_word("PRIMARY") {
            self.no_key_yet(create)?;
            self.words(&["PRIMARY", "KEY"])?;
            create.partition_key.push(name.clone());
        }
        create.columns.push(ColumnDefinition { name, value_type, is_static });
        Ok(())
    }

    fn no_key_yet(&self, create: &CreateTable) -> Result<()> {
        if create.partition_key.is_empty() { Ok(()) } else { Err(self.expected("a column (the key is said already)")) }
    }

    fn value_type(&mut self) -> Result<String> {
        if self.token.kind == Kind::Text {
            return Ok(self.take()?.text.to_owned());
        }
        let name = self.name("a type")?;
        if !self.eat("<")? {
            return Ok(name);
        }
        let items = self.deeper(|parser| parser.list(">", Self::value_type))?;
        Ok(format!("{name}<{}>", items.join(", ")))
    }

    // ---- values

    fn column_value(&mut self, column: &str) -> Result<Term> {
        self.term(&marker(column, MarkerPlace::Column(column.to_owned())))
    }

    /// A value; `place` says what a marker in it would be.
    fn term(&mut self, place: &Marker) -> Result<Term> {
        match self.token.kind {
            Kind::Text => Ok(Term::Text(unquoted(self.take()?.text, '\''))),
            Kind::DollarText => {
                let text = self.take()?.text;
                Ok(Term::Text(
                    text.strip_prefix("$$").and_then(|text| text.strip_suffix("$$")).unwrap_or(text).to_owned(),
                ))
            }
            Kind::Blob => Ok(Term::Blob(blob(self.take()?.text))),
            Kind::Integer => match self.token.text.parse() {
                Ok(number) => self.take().map(|_| Term::Integer(number)),
                Err(_) => Err(self.expected("a number of 64 bits")),
            },
            Kind::Float => match self.token.text.parse() {
                Ok(number) => self.take().map(|_| Term::Float(number)),
                Err(_) => Err(self.expected("a number")),
            },
            Kind::Uuid => match Uuid::parse_str(self.token.text) {
                Ok(uuid) => self.take().map(|_| Term::Uuid(uuid)),
                Err(_) => Err(self.expected("a UUID")),
            },
            Kind::Word => self.word_term(place),
            Kind::Symbol => self.symbol_term(place),
            Kind::QuotedName | Kind::End | Kind::Bad(_) => Err(self.expected("a value")),
        }
    }

    fn word_term(&mut self, place: &Marker) -> Result<Term> {
        let term = match self.token.text.to_ascii_lowercase().as_str() {
            "null" => Term::Null,
            "true" => Term::Boolean(true),
            "false" => Term::Boolean(false),
            _ if self.next.is("(") => return self.deeper(|parser| parser.function(place)),
            _ => return Err(self.expected("a value")),
        };
        self.take()?;
        Ok(term)
    }

    fn function(&mut self, place: &Marker) -> Result<Term> {
        let name = self.take()?.text.to_ascii_lowercase();
        let argument = match name.as_str() {
            "textasblob" => marker("arg0(system.textasblob)", MarkerPlace::Text),
            "blobastext" => marker("arg0(system.blobastext)", MarkerPlace::Blob),
            _ => part(place),
        };
        self.symbol("(")?;
        let arguments = self.list(")", |parser| parser.term(&argument))?;
        Ok(Term::Function { name, arguments })
    }

    fn symbol_term(&mut self, place: &Marker) -> Result<Term> {
        match self.token.text {
            "?" => {
                self.take()?;
                self.marker(place.clone())
            }
            ":" => {
                self.take()?;
                let name = self.name("the name of a marker")?;
                self.marker(Marker { name, place: place.place.clone() })
            }
            "[" => self.deeper(|parser| parser.items("]", place)).map(Term::List),
            "(" => self.deeper(|parser| parser.items(")", place)).map(Term::Tuple),
            "{" => self.deeper(|parser| parser.set_or_map(place)),
            _ => Err(self.expected("a value")),
        }
    }

    fn marker(&mut self, marker: Marker) -> Result<Term> {
        let position = self.markers.len();
        if position == MOST_MARKERS {
            return Err(self.problem(format!("there are more markers, expected at most {MOST_MARKERS}")));
        }
        let name = marker.name.clone();
        self.markers.push(marker);
        Ok(Term::Marker { position, name })
    }

    /// Values, after the symbol that is next.
    fn items(&mut self, end: &str, place: &Marker) -> Result<Vec<Term>> {
        self.take()?;
        // A tuple of one column stands for the column.
        let place = if end == ")" { place.clone() } else { part(place) };
        self.list(end, |parser| parser.term(&place))
    }

    fn set_or_map(&mut self, place: &Marker) -> Result<Term> {
        self.take()?;
        let place = part(place);
        if self.eat("}")? {
            return Ok(Term::Map(Vec::new()));
        }
        let first = self.term(&place)?;
        if self.eat(":")? {
            let mut items = vec![(first, self.term(&place)?)];
            while !self.eat("}")? {
                self.symbol(",")?;
                let key = self.term(&place)?;
                self.symbol(":")?;
                items.push((key, self.term(&place)?));
            }
            return Ok(Term::Map(items));
        }
        let mut items = vec![first];
        while !self.eat("}")? {
            self.symbol(",")?;
            items.push(self.term(&place)?);
        }
        Ok(Term::Set(items))
    }
}

fn marker(name: &str, place: MarkerPlace) -> Marker {
    Marker { name: name.to_owned(), place }
}

/// What a marker would be in a value of this place.
fn part(place: &Marker) -> Marker {
    let part = match &place.place {
        MarkerPlace::Column(column) | MarkerPlace::In(column) | MarkerPlace::Part(column) => {
            MarkerPlace::Part(column.clone())
        }
        other => other.clone(),
    };
    Marker { name: place.name.clone(), place: part }
}

/// What stands between quotes.
fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).unwrap_or(text);
    let mut double = String::with_capacity(2);
    double.push(quote);
    double.push(quote);
    inner.replace(&double, double.strip_prefix(quote).unwrap_or_default())
}

/// The bytes of pairs of hexadecimal digits, after `0x`.
fn blob(text: &str) -> Bytes {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    };
    let (pairs, _) = text.as_bytes().get(2..).unwrap_or_default().as_chunks();
    pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}
