//! Statements out of words.
//!
//! Each function reads one part of the grammar, and goes on where that ends. What can stand in itself (values, types) has a limit of
//! its depth, and the whole has a limit of its words: so the stack and the memory that a text takes are bounded.

mod schema;
mod select;
mod value;
mod write;

use super::{
    Marker, Parsed, Statement, SyntaxError, TableName,
    lexer::{Kind, Lexer, Token},
};
use value::unquoted;

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
}
