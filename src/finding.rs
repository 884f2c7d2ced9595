//! What may be found wrong with a configuration: a table of kinds, each with a name, a sentence, and what is done about it.

use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    net::IpAddr,
};
use uuid::Uuid;

/// How many findings of a kind are kept; more are only counted, so that a database that is all wrong fits into memory.
pub const KEPT: usize = 10_000;

/// Where a kind of finding shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// In the tables.
    Tables,
    /// In the memory of a process, which follows from the tables.
    Memory,
}

/// Whether a finding makes a database unsound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It should not be.
    Fault,
    /// It may be, and somebody may want to know.
    Note,
}

/// What is done about a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// There is one evident answer, at least for some: this, by `cirrus check --repair --apply`.
    Repair(&'static str),
    /// What a person should do.
    Person(&'static str),
}

/// What is said of a kind.
pub struct About {
    /// Its name, for people and programs.
    pub name: &'static str,
    /// What it is.
    pub sentence: &'static str,
    /// Where it shows.
    pub source: Source,
    /// How bad it is.
    pub level: Level,
    /// What is done about it.
    pub remedy: Remedy,
}

macro_rules! kinds {
    ($($variant:ident, $name:literal, $source:ident, $level:ident, $sentence:literal, $remedy:ident $what:literal;)*) => {
        /// A kind of finding, in the order in which they are told.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind {
            $(#[doc = $sentence] $variant,)*
        }

        /// All of them.
        pub const KINDS: &[Kind] = &[$(Kind::$variant,)*];

        impl Kind {
            /// What is said of it.
            pub const fn about(self) -> About {
                match self {
                    $(Self::$variant => About {
                        name: $name,
                        sentence: $sentence,
                        source: Source::$source,
                        level: Level::$level,
                        remedy: Remedy::$remedy($what),
                    },)*
                }
            }
        }
    };
}

kinds! {
    // Tables.
    MissingConstraint, "missing-constraint", Tables, Fault,
        "A constraint, an index or a trigger that the tables are made with is not there, or is not enforced.",
        Person "Make it again as the files in `migrations/` have it. If that is refused, remove first what it refuses.";
    MissingView, "missing-view", Tables, Fault,
        "A view that people ask in SQL is not there.",
        Repair "The view is made.";

    // Objects.
    UnreadableObject, "unreadable-object", Tables, Fault,
        "The row of an object says what this release can't read. No server starts on it.",
        Person "Correct the row, or start the release that has written it.";
    DuplicateName, "duplicate-name", Tables, Fault,
        "Two objects of a type have the same name.",
        Person "Delete one of them, or give it another name.";
    WrongNameDigest, "wrong-name-digest", Tables, Fault,
        "The digest in the row of an object is not that of its name. Another object may get the same name.",
        Repair "The digest is made again.";
    MissingName, "missing-name", Tables, Fault,
        "An object has no name. REST shows it with one that is empty.",
        Person "Delete it, or give it a name.";
    MissingParent, "missing-parent", Tables, Fault,
        "The parent of an object does not exist.",
        Person "Delete the object, or restore its parent from a backup.";
    WrongParent, "wrong-parent", Tables, Fault,
        "An object has a parent, or none, where its type does not allow that.",
        Person "Delete the object, or give it another parent.";
    ForeignUuid, "foreign-uuid", Tables, Fault,
        "The uuid in the `id_perms` of an object is not its own.",
        Person "Correct the property: clients that take an object by it find another one, or none.";
    RevisionAhead, "revision-ahead", Tables, Fault,
        "An object was made or changed by a change that is still to come.",
        Person "Find out which copy of the database this is: a part of it is later than the rest.";

    // References.
    DanglingReference, "dangling-reference", Tables, Fault,
        "An object refers to one that does not exist.",
        Repair "The reference is taken away.";
    ReferenceWithoutSource, "reference-without-source", Tables, Fault,
        "A reference is of an object that does not exist.",
        Repair "The reference is taken away.";
    WrongTarget, "wrong-target", Tables, Fault,
        "A reference leads to an object of another type than its field says.",
        Person "Delete the reference, or correct its field.";
    DoubledReference, "doubled-reference", Tables, Fault,
        "An object refers to another one more than once.",
        Person "Keep the row whose attribute is right.";
    OneSidedReference, "one-sided-reference", Tables, Fault,
        "A reference that both ends hold is held by one of them only.",
        Person "Delete it, or make it anew, by a request.";

    // Times of columns.
    StrayWriteTime, "stray-write-time", Tables, Fault,
        "An object has the write time of a column that it does not have.",
        Repair "The write time is taken away.";
    WriteTimeAhead, "write-time-ahead", Tables, Fault,
        "A column of an object was written by a change that is still to come.",
        Person "Find out which copy of the database this is: a part of it is later than the rest.";
    MissingTimeBase, "missing-time-base", Tables, Fault,
        "There is nothing to make times of the first revisions from, or what there is begins with a revision that is still to come.",
        Person "Restore the table `write_time_base` from a backup of this history.";

    // Addresses.
    HoldWithoutObject, "hold-without-object", Tables, Fault,
        "An address is held by an object that does not exist.",
        Repair "The address is given back.";
    HoldWithoutScope, "hold-without-scope", Tables, Fault,
        "An address is held in a network or ipam that does not exist.",
        Repair "The hold is taken away, unless an object has it that exists.";
    SeveralHolds, "several-holds", Tables, Fault,
        "An object holds more than one address.",
        Repair "Those that it does not show are given back, if it shows one of them.";
    DuplicateHold, "duplicate-hold", Tables, Fault,
        "Two objects hold the same address.",
        Person "Delete one of the objects.";
    MissingHold, "missing-hold", Tables, Fault,
        "The address that an object shows is held by nobody, or by somebody else.",
        Repair "The object gets the hold, if the address is free and of one network or ipam only.";
    WrongHold, "wrong-hold", Tables, Fault,
        "An object shows another address than the one that it holds.",
        Person "Delete the object and make it anew, or correct its property.";
    HoldOutsideSubnets, "hold-outside-subnets", Tables, Fault,
        "An address is held that is of no subnet of its network or ipam.",
        Person "Delete the object that holds it, give it back with `ip-free`, or add the subnet.";
    HoldOfReserved, "hold-of-reserved", Tables, Fault,
        "An address is held that nobody may hold: the first or the last one of its subnet, its gateway, or its service address.",
        Person "Delete the object that holds it, or change the subnet.";
    OverlappingSubnets, "overlapping-subnets", Tables, Fault,
        "Two subnets of a network or ipam overlap.",
        Person "Take one of them away.";
    FloatingIpOutsidePool, "floating-ip-outside-pool", Tables, Note,
        "A floating-ip has an address of another subnet than those that its pool is restricted to now.",
        Person "Nothing, if the pool was restricted later; else delete it and make it anew.";

    // Numbers.
    DoubledNumber, "doubled-number", Tables, Fault,
        "Two objects have the same network id, VXLAN id, security group id, sub-cluster id, or tag id.",
        Person "Delete one of the objects and make it anew: it gets a number of its own.";
    NumberOutOfRange, "number-out-of-range", Tables, Fault,
        "An object has an id that can't be one: it is no number, or not of the range.",
        Person "Delete the object and make it anew.";
    MissingNumber, "missing-number", Tables, Fault,
        "A network, a security group or a tag has no id.",
        Person "Delete the object and make it anew.";

    // The log.
    UnreadableChange, "unreadable-change", Tables, Fault,
        "A change in the log says what this release can't read.",
        Person "Start the release that has written it, or let the log be trimmed beyond it.";
    LogGap, "log-gap", Tables, Fault,
        "A change is missing in the log, or comes twice.",
        Person "Restore the log from a backup, or trim it beyond the gap: readers before it begin anew.";
    LogRequest, "log-request", Tables, Fault,
        "Changes of one request are not together, or are not said to end with the same one.",
        Person "Restore the log from a backup, or trim it beyond the request.";
    LogEnd, "log-end", Tables, Fault,
        "The log does not end with the last change.",
        Person "Restore the log, or all of the database, from a backup.";
    LogOrder, "log-order", Tables, Fault,
        "A change makes an object that is there, or changes one that is not.",
        Person "Restore the log from a backup, or trim it beyond the change.";
    LogObject, "log-object", Tables, Fault,
        "An object is not what its last change has made of it.",
        Person "Find out who has changed the tables, and decide which of both counts.";
    LogRevision, "log-revision", Tables, Fault,
        "An object is said to have been changed last by another change than the log says.",
        Repair "The object is given the number of the change that the log says.";
    LogReservation, "log-reservation", Tables, Fault,
        "An address is reserved, or is not, and the log says otherwise.",
        Repair "The reservation is made what the log says, unless an object has the address.";
    LogFreed, "log-freed", Tables, Fault,
        "A network or ipam was deleted, and the log does not say that what was reserved in it is free.",
        Person "Nothing, if a release before 0.2.0 wrote it: the log is trimmed beyond it some day.";
    LogPartition, "log-partition", Tables, Fault,
        "The log has no partition for changes that it should have.",
        Person "Restore the partition from a backup, or trim the log beyond it.";
    PartitionedUntil, "partitioned-until", Tables, Fault,
        "The log is said to have partitions up to another change than it has.",
        Repair "What is said is made what is so.";
    FloorAhead, "floor-ahead", Tables, Fault,
        "Changes are said to have been trimmed that are still to come.",
        Person "Find out which copy of the database this is: a part of it is later than the rest.";

    // What else is kept.
    PositionAhead, "position-ahead", Tables, Fault,
        "A reader of the log is said to have read changes that are still to come.",
        Repair "The position is forgotten; who reads begins anew.";
    AnswerAhead, "answer-ahead", Tables, Fault,
        "An answer is kept under a key to a request whose changes are still to come.",
        Repair "The answer is forgotten: nothing was done.";
    UnreadableAnswer, "unreadable-answer", Tables, Fault,
        "An answer is kept under a key that can't be told again.",
        Person "Nothing: it is forgotten within a day.";
    DuplicateKeyValue, "duplicate-key-value", Tables, Fault,
        "A key of `/useragent-kv` has two values.",
        Person "Keep the one that is right.";
    MissingSetting, "missing-setting", Tables, Fault,
        "A setting that all servers share is not in the database, and others are. Servers decide nothing.",
        Person "Start a server: it writes what it was started with.";
    UnreadableSetting, "unreadable-setting", Tables, Fault,
        "A setting that all servers share is one that this release can't read.",
        Person "Start a server with the right one and `--change-shared-settings`.";
    WrongCqlServer, "wrong-cql-server", Tables, Fault,
        "A process is said to listen for clients of Cassandra at a port that is none.",
        Repair "It is forgotten; if it runs, it says anew where it listens.";

    // Stored keyspaces.
    WideName, "wide-name", Tables, Fault,
        "A stored keyspace or table has a name that nobody can ask for.",
        Person "Give it another name.";
    WideTableWithoutKeyspace, "wide-table-without-keyspace", Tables, Fault,
        "A stored table is of a keyspace that does not exist.",
        Person "Make the keyspace again, or delete the table with what is in it.";
    WideRowWithoutTable, "wide-row-without-table", Tables, Fault,
        "A stored column is of a table that does not exist.",
        Repair "The column is deleted: nobody can read it.";
    DuplicateWideRow, "duplicate-wide-row", Tables, Fault,
        "A stored column has two values.",
        Person "Keep the one that was written later.";
    UnreadableWideRow, "unreadable-wide-row", Tables, Fault,
        "A stored column can't be sent: its value is no text, its key is empty, or one of its names is longer than 65,535 bytes.",
        Person "Delete it, or let its daemon write it again.";

    // Permissions.
    OwnerWithoutProject, "owner-without-project", Tables, Note,
        "The owner of an object is a project that is not here.",
        Person "Nothing, if only Keystone has the project; else change the owner with `chown`.";

    // Memory.
    BrokenIndex, "broken-index", Memory, Fault,
        "What is kept in memory beside the objects (names, children, back references, free numbers and addresses, counts for quota, \
         grants) is not what follows from them.",
        Person "Restart the server, and report it: this is a fault of the program.";
    MemoryDiffers, "memory-differs", Memory, Fault,
        "What a server has in memory is not what the tables say.",
        Person "Restart the server. If nobody has changed the tables, report it: this is a fault of the program.";
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// Whether it makes a database unsound.
    pub fn is_fault(self) -> bool {
        self.about().level == Level::Fault
    }

    /// How many rows the statement is about that repairs one finding.
    pub fn rows_to_repair(self) -> u64 {
        u64::from(self != Self::MissingView)
    }

    /// The one with this name.
    #[cfg(test)]
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().copied().find(|kind| kind.name() == name)
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Where something was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At an object.
    Object(Uuid),
    /// At a reference.
    Reference {
        /// Of this object
        source: Uuid,
        /// to this one.
        target: Uuid,
    },
    /// At an address.
    Address {
        /// In this network or ipam.
        scope: Uuid,
        /// This one.
        address: IpAddr,
    },
    /// In the log.
    Change(u64),
    /// In a table.
    Table(&'static str),
    /// In memory.
    Memory,
}

impl Place {
    /// The object that is another one when this is repaired, if any.
    pub fn object(self) -> Option<Uuid> {
        match self {
            Self::Object(uuid) | Self::Reference { source: uuid, .. } => Some(uuid),
            Self::Address { .. } | Self::Change(_) | Self::Table(_) | Self::Memory => None,
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// Where.
    pub place: Place,
    /// The same for people.
    pub text: String,
    /// The statement that repairs it, of one row, where there is one evident answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

impl Finding {
    /// One that a person has to look at.
    pub fn new(kind: Kind, place: Place, text: impl Into<String>) -> Self {
        Self { kind, place, text: text.into(), repair: None }
    }

    /// With the statement that repairs it.
    #[must_use]
    pub fn repaired_by(self, statement: impl Into<Option<String>>) -> Self {
        Self { repair: statement.into(), ..self }
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.name(), self.text)
    }
}

/// All that was found: of each kind as many as are kept, and how many there are.
#[derive(Default, Debug)]
pub struct Findings {
    kept: BTreeMap<Kind, Vec<Finding>>,
    counts: BTreeMap<Kind, usize>,
}

impl Findings {
    /// Takes one more.
    pub fn push(&mut self, finding: Finding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        let kept = self.kept.entry(finding.kind).or_default();
        if kept.len() < KEPT {
            kept.push(finding);
        }
    }

    /// Puts those of a kind in an order in which they are the same each time: by change, then by what they say.
    pub fn sort(&mut self) {
        let change = |finding: &Finding| match finding.place {
            Place::Change(revision) => revision,
            _ => 0,
        };
        for kept in self.kept.values_mut() {
            kept.sort_by(|one, other| (change(one), &one.text).cmp(&(change(other), &other.text)));
        }
    }

    /// Those that are kept, by kind.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.values().flatten()
    }

    /// The kinds, how many there are of each, and those that are kept.
    pub fn by_kind(&self) -> impl Iterator<Item = (Kind, usize, &[Finding])> {
        self.counts.iter().map(|(kind, count)| (*kind, *count, self.kept.get(kind).map_or(&[][..], Vec::as_slice)))
    }

    /// How many make the database unsound.
    pub fn faults(&self) -> usize {
        self.counts.iter().filter(|(kind, _)| kind.is_fault()).map(|(_, count)| count).sum()
    }

    /// Those of them that are kept.
    pub fn kept_faults(&self) -> impl Iterator<Item = &Finding> {
        self.iter().filter(|finding| finding.kind.is_fault())
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_names() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            let about = kind.about();
            assert_eq!(Kind::named(about.name), Some(*kind));
            assert!(about.name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'-'), "{}", about.name);
            assert!(about.sentence.ends_with('.'), "{}", about.sentence);
        }
    }

    #[test]
    fn what_is_not_kept_is_counted() {
        let mut findings = Findings::default();
        for number in 0..KEPT + 3 {
            findings.push(Finding::new(Kind::LogGap, Place::Change(number as u64), "gap"));
        }
        findings.push(Finding::new(Kind::OwnerWithoutProject, Place::Table("object"), "owner"));
        assert_eq!((findings.iter().count(), findings.faults()), (KEPT + 1, KEPT + 3));
    }
}
