//! `cirrus export`: everything as a dump of `db_json_exim`, as of one moment. The configuration is the rows that daemons read over
//! CQL, so what is exported is what they see.

mod dump;
mod file;
mod zookeeper;

use crate::{
    cql::{ConfigTable, Snapshot, each_column},
    graph::{Graph, Object, Position},
    model::Model,
    neutron::KeyValues,
    settings::{ExportSettings, SettingsError},
    signals,
    store::{Database, Moment, StoreError, StoredColumn, StoredTable, operation},
};
use dump::Dump;
use file::Target;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};
use zookeeper::each_node;

/// How often the progress bar is drawn where nothing else happens.
const TICK: Duration = Duration::from_millis(200);
/// Nobody knows when key-values were written; those who read them over CQL are told the same.
const UNKNOWN_TIME: i64 = 1;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A setting is wrong, or nobody said where the database is.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The database can't be read.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The same, with its name and host.
    #[error("database {0}: {1}")]
    Database(String, Box<StoreError>),
    /// A file can't be written.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// There is something that can't be replaced by a file.
    #[error("{0}: that is no file; '-' writes to standard output")]
    NoFile(String),
    /// Standard output or error is closed.
    #[error("{0}")]
    Output(#[from] io::Error),
    /// Somebody has stopped it.
    #[error("stopped; nothing was exported")]
    Stopped,
}

impl ExportError {
    /// 2 where a setting has to be changed, else 1.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            _ => 1,
        }
    }

    /// The same, with the name and the host of the database where it is about that.
    fn of(self, database: &Database) -> Self {
        match self {
            Self::Store(error) => Self::Database(database.place(), Box::new(error)),
            other => other,
        }
    }
}

/// What was exported.
#[derive(Default)]
struct Exported {
    position: Position,
    objects: usize,
    key_values: u64,
    stored_columns: u64,
    /// Names in tables of daemons that are no text, by table.
    left_out: Vec<(String, u64)>,
    nodes: u64,
}

/// Exports everything, and tells how much that was. Servers may go on writing meanwhile.
///
/// # Errors
/// When the database can't be read, or the file not be written. Then nothing is left where it would have been.
pub async fn run(settings: &ExportSettings) -> Result<(), ExportError> {
    let mut stop = signals::listen()?;
    let model = Arc::new(settings.database.read_model(settings.schema_dir.as_deref())?);
    let database = settings.database.database()?;
    let mut target = Target::create(&settings.file)?;
    let exported = tokio::select! {
        exported = export(settings, &model, &database, &mut target) => exported.map_err(|error| error.of(&database))?,
        () = signals::stopped(&mut stop) => return Err(ExportError::Stopped),
    };
    target.finish().map_err(|error| failed(settings, error))?;
    // Standard output may be the dump.
    let told = if settings.file == Path::new("-") {
        exported.tell(settings, io::stderr().lock())
    } else {
        exported.tell(settings, io::stdout().lock())
    };
    // The dump is there, whether somebody takes the word of it or not.
    if let Err(error) = told {
        let _ = writeln!(io::stderr(), "cirrus: exported; nobody takes the word of it: {error}");
    }
    Ok(())
}

fn failed(settings: &ExportSettings, error: io::Error) -> ExportError {
    let name = if settings.file == Path::new("-") { "standard output".into() } else { settings.file.to_string_lossy() };
    ExportError::File(name.into_owned(), error)
}

async fn export(
    settings: &ExportSettings,
    model: &Arc<Model>,
    database: &Database,
    target: &mut Target,
) -> Result<Exported, ExportError> {
    database.has_current_tables().await?;
    let mut session = database.connect(operation::EXPORT).await?;
    let mut moment = Moment::begin(&mut session).await?;
    let bar = Progress::new();
    bar.begin("reading the database", None);
    let graph = Arc::new(moment.graph(model).await?);
    let exported = Exported { position: graph.position(), objects: graph.len(), ..Exported::default() };
    let dump = Dump::new(target, settings.format).map_err(|error| failed(settings, error))?;
    let mut export = Export { settings, dump, bar, exported };
    export.configuration(&Arc::new(Snapshot::as_stored(Arc::clone(&graph)))).await?;
    export.key_values(&mut moment, &graph).await?;
    for keyspace in moment.keyspaces().await? {
        export.stored(&mut moment, &keyspace).await?;
    }
    moment.end().await?;
    export.nodes(&graph).await?;
    export.dump.finish().map_err(|error| failed(settings, error))?;
    Ok(export.exported)
}

/// An export on its way.
struct Export<'e, W> {
    settings: &'e ExportSettings,
    dump: Dump<W>,
    bar: Progress,
    exported: Exported,
}

impl<W: Write> Export<'_, W> {
    fn failed(&self) -> impl Fn(io::Error) -> ExportError + use<'_, W> {
        |error| failed(self.settings, error)
    }

    async fn configuration(&mut self, snapshot: &Arc<Snapshot>) -> Result<(), ExportError> {
        let Self { settings, dump, bar, exported } = self;
        let failed = |error| failed(settings, error);
        dump.keyspace("config_db_uuid").map_err(failed)?;
        for table in [ConfigTable::Objects, ConfigTable::Names, ConfigTable::Shares] {
            bar.begin(table.name(), Some(exported.objects as u64));
            dump.table(table.name()).map_err(failed)?;
            // A row of the objects is one of them, and so is a column of their names.
            let mut last = Vec::new();
            each_column(snapshot, table, |written| {
                if table != ConfigTable::Objects {
                    bar.step();
                } else if last != written.key {
                    written.key.clone_into(&mut last);
                    bar.step();
                }
                let [key, column, value] =
                    [written.key, written.column, written.value].map(|text| String::from_utf8_lossy(text));
                dump.column(&key, &column, &value, written.time).map_err(failed)
            })
            .await?;
        }
        Ok(())
    }

    /// With those that contrail-api stores for Neutron, and would miss.
    async fn key_values(&mut self, moment: &mut Moment<'_>, graph: &Graph) -> Result<(), ExportError> {
        let Self { settings, dump, bar, exported } = self;
        let failed = |error| failed(settings, error);
        dump.keyspace("useragent").map_err(failed)?;
        dump.table("useragent_keyval_table").map_err(failed)?;
        bar.begin("key-values", None);
        let mut take = |key: &str, value: &str| {
            exported.key_values += 1;
            dump.column(key, "value", value, UNKNOWN_TIME).map_err(failed)
        };
        let of_neutron = KeyValues { graph, may_read: |_: &Object| true };
        let stored = |key: &str, value: &str| if of_neutron.get(key).is_some() { Ok(()) } else { take(key, value) };
        moment.key_values(stored).await?;
        let of_subnets = of_neutron.of_subnets(None).map(|(_, key, value)| (key, value));
        of_subnets.chain(of_neutron.of_tags()).try_for_each(|(key, value)| take(&key, &value))
    }

    /// A keyspace of daemons. Where clusters have ids only those of this one are exported, without it.
    async fn stored(&mut self, moment: &mut Moment<'_>, keyspace: &str) -> Result<(), ExportError> {
        let name = match &self.settings.cluster_id {
            None => Some(keyspace),
            Some(id) => keyspace.strip_prefix(id.as_str()).and_then(|rest| rest.strip_prefix('_')),
        };
        let Some(name) = name else { return Ok(()) };
        self.dump.keyspace(name).map_err(self.failed())?;
        for table in moment.tables(keyspace).await? {
            self.table(moment, &table).await?;
        }
        Ok(())
    }

    async fn table(&mut self, moment: &mut Moment<'_>, table: &StoredTable) -> Result<(), ExportError> {
        let Self { settings, dump, bar, exported } = self;
        let failed = |error| failed(settings, error);
        dump.table(&table.name).map_err(failed)?;
        let full_name = format!("{}.{}", table.keyspace, table.name);
        bar.begin(&full_name, None);
        let mut left_out = 0;
        let take = |stored: StoredColumn| {
            bar.step();
            let texts = [&stored.key, &stored.column, &stored.value].map(|bytes| std::str::from_utf8(bytes).ok());
            let [Some(key), Some(column), Some(value)] = texts else {
                left_out += 1;
                return Ok(());
            };
            exported.stored_columns += 1;
            dump.column(key, column, value, stored.time).map_err(failed)
        };
        moment.columns(table, take).await?;
        if left_out > 0 {
            exported.left_out.push((full_name, left_out));
        }
        Ok(())
    }

    async fn nodes(&mut self, graph: &Graph) -> Result<(), ExportError> {
        let Self { settings, dump, bar, exported } = self;
        bar.begin("ZooKeeper", Some(zookeeper::about(graph)));
        each_node(graph, settings.cluster_id.as_deref().unwrap_or_default(), |node| {
            bar.step();
            exported.nodes += 1;
            dump.node(&node.path, &node.value, node.time).map_err(|error| failed(settings, error))
        })
        .await
    }
}

impl Exported {
    fn tell(&self, settings: &ExportSettings, mut output: impl Write) -> io::Result<()> {
        let Self { position, objects, key_values, stored_columns, nodes, .. } = self;
        for (table, columns) in &self.left_out {
            writeln!(output, "{table}: {columns} columns left out, whose names are no text")?;
        }
        writeln!(
            output,
            "{objects} objects, {key_values} key-values, {stored_columns} columns of daemons, {nodes} nodes of ZooKeeper, \
             up to {position}, for {}",
            settings.format.readers()
        )
    }
}

/// How far it is, for who looks at a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Something new, and how many steps it will have, if that is known.
    fn begin(&self, what: &str, steps: Option<u64>) {
        let template = if steps.is_some() { "{msg} {wide_bar} {pos}/{len}" } else { "{spinner} {msg} {human_pos}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(steps.unwrap_or_default());
        self.0.set_position(0);
        self.0.set_message(what.to_owned());
    }

    fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
