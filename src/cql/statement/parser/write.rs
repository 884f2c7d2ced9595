//! `INSERT`, `UPDATE`, `DELETE` and `BEGIN BATCH`.

use crate::cql::frame::BatchKind;
use crate::cql::statement::{
    BatchText, Delete, Insert, MarkerPlace, Statement, Update, Using,
    parser::{Parser, Result, value::marker},
};

impl Parser<'_> {
    pub(super) fn write(&mut self) -> Result<Statement> {
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

    pub(super) fn insert(&mut self) -> Result<Statement> {
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

    pub(super) fn update(&mut self) -> Result<Statement> {
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

    pub(super) fn delete(&mut self) -> Result<Statement> {
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

    pub(super) fn using(&mut self) -> Result<Using> {
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

    pub(super) fn batch(&mut self) -> Result<Statement> {
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
}
