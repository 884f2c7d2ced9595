//! What is found wrong with a configuration that is imported: a table of all kinds, and the report of what was found.

#![allow(clippy::doc_markdown, reason = "what is said of the kinds is for people who read it as it is")]

use super::ImportError;
use std::{collections::BTreeMap, fmt, io::Write};

/// A kind of inconsistency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kind {
    /// What it is called in reports.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What is done about it.
    pub remedy: &'static str,
}

macro_rules! kinds {
    ($($id:ident $name:literal $meaning:literal => $remedy:literal,)*) => {
        $(
            #[doc = $meaning]
            pub const $id: Kind = Kind { name: $name, meaning: $meaning, remedy: $remedy };
        )*
        /// All of them, in the order of the documentation.
        pub const ALL: &[Kind] = &[$($id),*];
    };
}

kinds! {
    // Rows and columns.
    BAD_UUID "bad-uuid" "The key of a row, or the uuid in the name of a column, is no uuid" => "left out",
    TWICE "object-twice" "Two rows have the same uuid" => "the first one counts, the other is left out",
    WITHOUT_TYPE "row-without-type" "A row has no type; a delete that was cut short leaves such rows" => "left out",
    WITHOUT_NAME "row-without-name" "A row has no fq_name, or an empty one" => "left out",
    UNKNOWN_TYPE "unknown-type" "An object is of a type that the data model does not know" => "left out",
    BAD_NAME "bad-name" "A name has elements that are no text, or that no name can have (colons, control characters)" => "the object is left out",
    BAD_JSON "bad-json" "The text of a column is no JSON" => "the column is left out",
    COLUMN_TWICE "column-twice" "A row has a column twice, or a row of key-values or of a daemon is there twice" => "the first one counts",
    UNKNOWN_COLUMN "unknown-column" "A column is none of those that rows have" => "left out",
    UNKNOWN_PROPERTY "unknown-property" "An object has a property that its type does not have" => "left out",
    UNKNOWN_REFERENCE "unknown-reference" "An object refers to a type that its type has no reference to" => "left out",
    UNKNOWN_TABLE "unknown-table" "The keyspace of the configuration has a table that is none of it" => "left out",
    PART_TWICE "part-twice" "A keyspace or a table is there twice" => "both are read",
    WRONG_SHAPE "value-of-wrong-shape" "A value is of another kind than the property (a text where there are fields, or the reverse), or has a character NUL" => "left out",
    REFUSED_VALUE "value-refused" "A value is none that the data model allows" => "kept as it is; only who changes it has to give one that is allowed",
    BAD_TIME "bad-time" "A time is none, or later than now" => "in its place counts the time at which the object was made, or now",
    WITHOUT_ID_PERMS "without-id-perms" "An object has no id_perms" => "kept without; it is hidden from nobody, and has no times of its own",
    OTHER_UUID_IN_ID_PERMS "other-uuid-in-id-perms" "The uuid in id_perms is not that of the object" => "id_perms get that of the object",
    WITHOUT_PERMS2 "without-perms2" "An object has no perms2" => "kept without: it belongs to nobody, and cloud admins may give it to somebody",
    // Names.
    NAME_TWICE "name-twice" "Several objects of a type have the same name" => "the one that the table of names names, or else the oldest, is kept; the others are left out",
    NAME_WITHOUT_OBJECT "name-without-object" "The table of names has an object that is not there" => "left out",
    OBJECT_WITHOUT_NAME "object-without-entry" "The table of names lacks an object" => "the object counts",
    NAME_DIFFERS "name-differs" "The table of names has another name for an object than its row, or several" => "the row counts",
    NAME_NOT_BELOW_PARENT "name-not-below-parent" "The name of an object does not begin with that of its parent" => "kept as it is",
    // Parents.
    SEVERAL_PARENTS "several-parents" "A row has several parents" => "the one that was written last counts",
    PARENT_MISSING "parent-missing" "The parent of an object is not there, or it has none although its type needs one" => "the object is left out",
    PARENT_BY_NAME "parent-by-name" "A row does not say which object is the parent" => "the object whose name the name begins with is",
    WRONG_PARENT "wrong-parent" "The parent of an object is of a type that can't be its parent" => "the object is left out",
    PARENT_CYCLE "parent-cycle" "An object is below itself" => "all that is in the circle is left out",
    CHILD_DIFFERS "child-differs" "The row of an object has a child that is not there, or that is another one's" => "the child's own row counts",
    CHILD_NOT_LISTED "child-not-listed" "The row of a parent lacks one of its children" => "the child's own row counts",
    // References.
    DANGLING_REFERENCE "dangling-reference" "An object refers to one that is not there" => "the reference is left out",
    WRONG_TARGET "wrong-target" "A reference leads to an object of another type than it says" => "the reference is left out",
    ONE_SIDED "one-sided-reference" "Of two objects that should refer to each other one does not" => "the other end is made",
    BACK_REFERENCE_DIFFERS "back-reference-differs" "The row of an object says that another one refers to it, which does not" => "the row of the other one counts",
    BACK_REFERENCE_MISSING "back-reference-missing" "The row of an object lacks one that refers to it" => "the row of the other one counts",
    RELAXED_FOR_NOBODY "relaxed-for-nobody" "References of an object that is not there are said not to stop a delete" => "left out",
    SHARE_DIFFERS "share-differs" "The table of shares says something else than perms2 of the object" => "perms2 counts",
    // Numbers and addresses.
    NUMBER_TWICE "number-twice" "Two objects have the same id (of networks, security groups, tags and the like)" => "the older one keeps it; the other one gets that which ZooKeeper has for it, or the next that is free, or none where the id can be left out",
    BAD_NUMBER "bad-number" "A network, security group, sub-cluster, tag type or tag has no id, or one that is none" => "it gets that which ZooKeeper has for it, or the next that is free",
    WITHOUT_NUMBER "without-number" "A tag or another object has no id, and gets none: its type is not known, or no id is free" => "kept without",
    WITHOUT_ADDRESS "without-address" "An instance-ip, floating-ip or alias-ip has no address" => "kept without",
    ADDRESS_TWICE "address-twice" "Two objects have the same address of a network" => "both are kept; the older one holds the address",
    ADDRESS_OUTSIDE "address-outside-subnets" "The address of an object is in no subnet of its network, or is one that nobody can have there" => "kept; the object holds no address",
    SUBNETS_OVERLAP "overlapping-subnets" "Two subnets of a network or ipam overlap" => "kept as they are",
    ADDRESS_OF_NOTHING "address-of-nothing" "An object has an address, and no network or ipam that it is of" => "kept; the object holds no address",
    // ZooKeeper.
    RESERVED "reserved-address" "ZooKeeper has an address that no object holds" => "reserved, as by ip-alloc: ip-free gives it back",
    NODE_UNUSABLE "unusable-reservation" "ZooKeeper has an address of a network or subnet that is not there, or that nobody can have" => "left out",
    ADDRESS_NOT_RESERVED "address-not-in-zookeeper" "ZooKeeper lacks an address that an object holds" => "the object holds it",
    NODE_OF_ANOTHER "address-of-another" "ZooKeeper says that another one holds an address than the object that has it" => "the object holds it",
    NODE_NAME_DIFFERS "zookeeper-name-differs" "ZooKeeper has a name for another object, or for one that is not there" => "the object's row counts",
    NODE_ID_DIFFERS "zookeeper-id-differs" "ZooKeeper has an id for another object than the one that has it, or for one that is not there" => "the object's row counts",
    // The rest.
    BAD_TABLE_NAME "bad-table-name" "A keyspace of a daemon, or a table in it, has a name that none can have" => "left out",
    BAD_CELL "bad-cell" "A column of a daemon is of a row without key, or has a name or a key of more than 65,535 bytes" => "left out",
    BAD_KEY_VALUE "bad-key-value" "A key-value has no value, or a character NUL" => "left out",
}

/// A text on one line, with nothing in it that could do anything to a terminal, whatever is in names.
pub fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Writes findings as they come, and counts them.
pub struct Report<'o> {
    output: Box<dyn Write + 'o>,
    counts: BTreeMap<&'static str, u64>,
    failure: Option<std::io::Error>,
}

impl<'o> Report<'o> {
    /// Nothing found yet.
    pub fn new(output: impl Write + 'o) -> Self {
        Self { output: Box::new(output), counts: BTreeMap::new(), failure: None }
    }

    /// Writes a line: `KIND: WHOM: WHAT; REMEDY`.
    pub fn add(&mut self, kind: Kind, whom: impl fmt::Display, what: impl fmt::Display) {
        *self.counts.entry(kind.name).or_default() += 1;
        let line = format!("{}: {whom}: {what}; {}", kind.name, kind.remedy);
        if let Err(error) = writeln!(self.output, "{}", one_line(&line)) {
            self.failure.get_or_insert(error);
        }
    }

    /// How many were found of each kind, in the order of the table.
    pub fn counts(&self) -> impl Iterator<Item = (&'static Kind, u64)> {
        ALL.iter().filter_map(|kind| Some((kind, *self.counts.get(kind.name)?)))
    }

    /// How many were found.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether nobody takes what is found.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn check(&mut self) -> Result<(), ImportError> {
        self.failure.take().map_or(Ok(()), |error| Err(ImportError::Untold(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_documentation() {
        let rows = ALL.iter().map(|Kind { name, meaning, remedy }| format!("| `{name}` | {meaning} | {remedy} |\n"));
        let table = format!("| kind | what it means | what is done |\n|---|---|---|\n{}", rows.collect::<String>());
        assert!(include_str!("../../docs/moving.md").contains(&table), "docs/moving.md has to have\n{table}");
    }

    #[test]
    fn a_finding_is_one_line_whatever_is_in_it() {
        let mut output = Vec::new();
        let mut report = Report::new(&mut output);
        report.add(BAD_UUID, "row a\nb", "\u{1b}[2J");
        report.add(BAD_UUID, "row", "x");
        assert_eq!((report.total(), report.counts().count()), (2, 1));
        drop(report);
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text, "bad-uuid: row a\u{fffd}b: \u{fffd}[2J; left out\nbad-uuid: row: x; left out\n");
    }
}
