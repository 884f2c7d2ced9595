//! `CREATE`, `ALTER`, `DROP` and `DESCRIBE`.

use crate::cql::statement::{
    ColumnDefinition, CreateTable, Described, MarkerPlace, Statement, TableOptions, Term,
    lexer::Kind,
    parser::{NOTHING, Parser, Result, UNSUPPORTED_THINGS, value::marker},
};

impl Parser<'_> {
    pub(super) fn schema(&mut self, verb: &str) -> Result<Statement> {
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

    pub(super) fn if_not_exists(&mut self) -> Result<bool> {
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

    pub(super) fn describe(&mut self) -> Result<Statement> {
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
}
