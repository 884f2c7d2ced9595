//! What to export, and how.

use super::DatabaseSettings;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What to export, and how. Servers may run on the database meanwhile.
#[derive(Args, Debug)]
pub struct ExportSettings {
    /// The file to write, packed with gzip if its name ends with .gz; - is standard output. What is there is replaced when all is
    /// written, and stays otherwise
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Who is to read it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = DumpFormat::Cql)]
    pub format: DumpFormat,

    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// The id of the cluster, where daemons have one: it stands before the names of their keyspaces, which are exported without
    /// it, and before the paths of `ZooKeeper`
    #[arg(long, value_name = "ID")]
    pub cluster_id: Option<String>,

    /// Read the data model from this directory, not from the one that is built in
    #[arg(long, env = "CIRRUS_SCHEMA_DIR", value_name = "DIR")]
    pub schema_dir: Option<PathBuf>,
}

/// The form of a dump, by who reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DumpFormat {
    /// The tool of contrail-api from 2016 to Tungsten Fabric
    Thrift,
    /// That of OpenSDN since 2024
    Cql,
}

impl DumpFormat {
    /// Who reads it, for people.
    pub fn readers(self) -> &'static str {
        match self {
            Self::Thrift => "contrail-api up to Tungsten Fabric",
            Self::Cql => "OpenSDN since 2024",
        }
    }
}
