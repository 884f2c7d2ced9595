//! Which database a tool works on: the one that is said, or the one of the server of this machine.

use super::{
    Faults,
    layers::{Given, Layer, check, find},
    origin::{Origin, Origins, Source},
    settings_file::{NONE, USUAL_FILE, read},
    value,
};
use crate::{
    model::Model,
    private_postgresql::url_of_running,
    store::{Database, StoreError},
};
use clap::Args;
use std::path::{Path, PathBuf};

/// Which database. What is not said here is as for the server: the settings file says it, or the server that runs on the data
/// directory.
#[derive(Args, Debug, Default)]
pub struct DatabaseSettings {
    /// The database, as <postgresql://user:password@host/name> [default: `database-url` of the settings file, else the private
    /// database of the server that runs on the data directory]
    #[arg(long, env = "CIRRUS_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = value::database_url)]
    database_url: Option<String>,

    /// The server's settings file, of which its `database-url`, `data-dir`, `schema-dir` and `cql-cluster-id` count where nothing
    /// else is said; `none` for no file [default: /etc/cirrus/cirrus.toml, where it is there and neither --database-url nor
    /// --data-dir is given]
    #[arg(long, env = "CIRRUS_SETTINGS_FILE", value_name = "FILE")]
    settings_file: Option<PathBuf>,

    /// The data directory of a server with a private PostgreSQL; it wins over the `database-url` of the settings file [default:
    /// /var/lib/cirrus for root, else ~/.local/share/cirrus]
    #[arg(long, env = "CIRRUS_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Where each came from.
    #[arg(skip)]
    origins: Origins,
    /// What else the settings file says.
    #[arg(skip)]
    in_file: Layer,
    /// What is wrong with the settings file.
    #[arg(skip)]
    faults: Faults,
    /// The settings file and what was found there, for whoever finds no database.
    #[arg(skip)]
    file_told: String,
    /// What was taken that the command line does not say.
    #[arg(skip)]
    taken: Vec<String>,
}

/// Where a database is, or is to be.
pub enum Place {
    /// There.
    Database(Database),
    /// In this data directory, on which no server runs.
    Private(PathBuf),
}

/// A setting is wrong, or is missing; the text names it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// What counts of a settings file beside where the database is.
const BESIDE: [&str; 2] = ["schema_dir", "cql_cluster_id"];

impl DatabaseSettings {
    /// Takes from the settings file what nobody has said. `serve` is the command whose file it is, `origins` are those of what was
    /// said. What is wrong is told when the database is asked for.
    pub(super) fn complete(&mut self, serve: &clap::Command, origins: Origins) {
        self.origins = origins;
        let named = self.settings_file.clone();
        if named.is_none() && (self.database_url.is_some() || self.is_option("data_dir")) {
            // The usual file speaks of the server of this machine, and another database is meant.
            self.file_told = format!("{USUAL_FILE}: it does not count beside --data-dir");
            return;
        }
        let given = named.as_ref().map(|file| Given {
            values: vec![file.as_os_str().to_owned()],
            source: self.origins.get("settings_file").map(|origin| origin.source.clone()).unwrap_or_default(),
        });
        self.file_told = match &named {
            Some(file) if file.as_os_str() == NONE => {
                format!("{}: no settings file is read", self.origins.told("settings_file", NONE))
            }
            Some(file) => format!("{}: it says no database-url", self.origins.told("settings_file", file.display())),
            None if Path::new(USUAL_FILE).symlink_metadata().is_ok() => {
                format!("{USUAL_FILE}: it says no database-url")
            }
            None => format!("{USUAL_FILE}: there is no such file"),
        };
        let mut layer = read(serve, named.as_deref(), given.as_ref(), &mut self.faults);
        let mut good = |id: &str, faults: &mut Faults| {
            let (argument, given) = (find(serve, id)?, layer.remove(id)?);
            let origin = Origin::new(argument, given.source.clone());
            match check(argument, &given) {
                Ok(()) => Some((given, origin)),
                Err(why) => {
                    faults.add_unknown(id, format!("{}: {why}", origin.told(&given.text())));
                    None
                }
            }
        };
        let url = good("database_url", &mut self.faults);
        let directory = good("data_dir", &mut self.faults);
        for id in BESIDE {
            if let Some((given, origin)) = good(id, &mut self.faults) {
                self.in_file.insert(id.to_owned(), given);
                self.origins.set(id, origin);
            }
        }
        if let (None, Some((given, origin))) = (&self.database_url, url) {
            self.database_url = Some(given.text());
            self.origins.set("database_url", origin);
        }
        if let (None, Some((given, origin))) = (&self.data_dir, directory) {
            self.data_dir = given.values.first().map(PathBuf::from);
            self.origins.set("data_dir", origin);
        }
    }

    /// What the settings file says of this one, where the command line and the environment don't say it.
    pub(super) fn take_from_file(&mut self, field: &str) -> Option<String> {
        let value = self.in_file.get(field)?.text();
        self.taken.push(self.origins.told(field, &value));
        Some(value)
    }

    fn is_option(&self, field: &str) -> bool {
        self.origins.get(field).is_some_and(|origin| origin.source == Source::Option)
    }

    /// The data model of this directory, or the one that is built in.
    ///
    /// # Errors
    /// Names the setting, and what is wrong with the directory.
    pub fn read_model(&self, directory: Option<&Path>) -> Result<Model, SettingsError> {
        self.check_file()?;
        super::read_model(directory, &self.origins).map_err(SettingsError)
    }

    /// The database. What the command line does not say of it is told on standard error.
    ///
    /// # Errors
    /// When there is none, with all places that were looked at; when the settings file can't be read, or is wrong.
    pub fn database(&self) -> Result<Database, SettingsError> {
        match self.look()? {
            Ok(database) => Ok(database),
            Err(nothing) => Err(SettingsError(nothing)),
        }
    }

    /// The same, or the data directory where no server runs on it.
    ///
    /// # Errors
    /// When the settings file can't be read, or is wrong; when it is not known where the data directory is, or there is something else.
    pub fn database_or_directory(&self) -> Result<Place, SettingsError> {
        if let Ok(database) = self.look()? {
            return Ok(Place::Database(database));
        }
        let directory = self.directory()?;
        if !self.is_option("data_dir") {
            eprintln!("cirrus: the database is a private one in {}", self.directory_told(&directory));
        }
        Ok(Place::Private(directory))
    }

    /// The database; or, in words, that there is none.
    fn look(&self) -> Result<Result<Database, String>, SettingsError> {
        self.check_file()?;
        for setting in &self.taken {
            eprintln!("cirrus: {setting} counts");
        }
        let is_in_file =
            self.origins.get("database_url").is_some_and(|origin| matches!(origin.source, Source::File(..)));
        // Whoever says which directory does not mean what stands in a file.
        if let Some(url) = self.database_url.as_ref().filter(|_| !(is_in_file && self.is_option("data_dir"))) {
            let told = self.origins.told("database_url", url);
            if !self.is_option("database_url") {
                eprintln!("cirrus: the database is that of {told}");
            }
            return Database::new(url).map(Ok).map_err(|error| refused(&told, &error));
        }
        let in_directory = match self.directory() {
            Ok(directory) => {
                let told = self.directory_told(&directory);
                match url_of_running(&directory) {
                    Ok(url) => {
                        if !self.is_option("data_dir") {
                            eprintln!("cirrus: the database is that of the server that runs on {told}");
                        }
                        let told = directory.join("database-url").display().to_string();
                        return Database::new(&url).map(Ok).map_err(|error| refused(&told, &error));
                    }
                    Err(found) => format!("{told}: {found}"),
                }
            }
            Err(error) => error.to_string(),
        };
        Ok(Err(format!(
            "it is not known where the database is:\n  --database-url, CIRRUS_DATABASE_URL: not given\n  {}\n  {in_directory}",
            self.file_told
        )))
    }

    fn check_file(&self) -> Result<(), SettingsError> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let way_out = if self.settings_file.is_none() { " (it does not count beside --database-url)" } else { "" };
        Err(SettingsError(format!("{}{way_out}", self.faults)))
    }

    fn directory(&self) -> Result<PathBuf, SettingsError> {
        super::data_directory(self.data_dir.as_deref(), &self.origins).map_err(SettingsError)
    }

    fn directory_told(&self, directory: &Path) -> String {
        match &self.data_dir {
            Some(_) => self.origins.told("data_dir", directory.display()),
            None => format!("the data directory {}", directory.display()),
        }
    }
}

fn refused(place: &str, error: &StoreError) -> SettingsError {
    SettingsError(format!("{place}: {error}"))
}
