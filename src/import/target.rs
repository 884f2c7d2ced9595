//! The database that is imported into: it has what a server makes by itself at its first start, and nothing else. What comes takes the
//! place of that, in one transaction.

use super::{
    ARRIVES_WITHIN, ImportError,
    build::Built,
    findings::one_line,
    progress::Progress,
    source::Source,
    texts::{Into, Texts},
};
use crate::{
    access::Identity,
    graph::{Graph, Holder, Object, Position, object_differences},
    model::{Model, field_name},
    replica::{be_one_of_several, recognised},
    rules::{Operation, Options, Work, rulebook},
    settings::ImportSettings,
    store::{
        Database, StoreError, load,
        operation::{CHECK, IMPORT},
        sequence,
        whole::{self, Beside},
        wide_rows::WideRows,
    },
    timestamp::Timestamp,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::task::block_in_place;
use uuid::Uuid;

/// How many of those that are in the way are named.
const NAMED: usize = 5;
/// What the first start writes as the settings of the server say, or anew each time.
const OF_EACH_START: [&str; 3] = [field_name::ID_PERMS, field_name::PERMS2, field_name::QUOTA];

/// What a database has.
pub struct Target {
    database: Database,
    /// What is in it; none where there are no tables yet.
    stored: Option<(Graph, Beside)>,
}

/// What may be done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There is nothing that would be lost.
    Free,
    /// There is what is to be imported, all of it.
    TheSame,
}

impl Target {
    /// Looks what is there. Changes nothing.
    ///
    /// # Errors
    /// When the database is away, or of another release.
    pub async fn look(database: Database, model: &Arc<Model>) -> Result<Self, ImportError> {
        if database.is_empty().await? {
            return Ok(Self { database, stored: None });
        }
        database.has_current_tables().await?;
        let beside = whole::count_beside(&mut database.connect_patiently(CHECK).await?).await?;
        let graph = load(database.connect(CHECK).await?, model).await?;
        Ok(Self { database, stored: Some((graph, beside)) })
    }

    /// Whether this may take the place of what is there.
    ///
    /// # Errors
    /// When something else is there.
    pub fn judge(&self, built: &Graph) -> Result<Verdict, ImportError> {
        let Some((stored, beside)) = &self.stored else { return Ok(Verdict::Free) };
        if built.len() > 0 && is_in(built, stored) {
            return Ok(Verdict::TheSame);
        }
        let mut in_the_way = in_the_way(stored);
        let reserved = stored.pools().all_held().filter(|(_, holder)| *holder == Holder::Reservation).count();
        for (count, what) in [
            (i64::try_from(reserved).unwrap_or(i64::MAX), "reserved addresses"),
            (beside.key_values, "key-values"),
            (beside.cells, "cells in keyspaces of daemons"),
        ] {
            if count > 0 {
                in_the_way.insert(0, format!("{count} {what}"));
            }
        }
        match in_the_way.len() {
            0 => Ok(Verdict::Free),
            count => {
                let more = count.saturating_sub(NAMED);
                in_the_way.truncate(NAMED);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                Err(ImportError::InTheWay(format!("{}{more}", in_the_way.join(", "))))
            }
        }
    }

    /// Stores everything, or nothing.
    ///
    /// # Errors
    /// When the database does not take it, or somebody has written meanwhile.
    pub async fn store(
        self,
        model: &Model,
        built: &Built,
        source: &mut dyn Source,
        settings: &ImportSettings,
        progress: &Progress,
    ) -> Result<(), ImportError> {
        let Self { database, stored } = self;
        if stored.is_none() {
            database.migrate(model).await?;
        }
        let mut session = recognised(database.connect_patiently(IMPORT).await?).await?;
        let known = if let Some((graph, _)) = &stored {
            graph.position()
        } else {
            let row = sequence::peek(&mut session).await?;
            Position { epoch: row.epoch, revision: row.last_revision }
        };
        be_one_of_several(&mut session).await?;
        let mut transaction = session.begin().await?;
        whole::lock_beside(&mut transaction).await?;
        if whole::count_beside(&mut transaction).await? != stored.as_ref().map_or(Beside::NONE, |(_, beside)| *beside) {
            return Err(ImportError::Overtaken);
        }
        store_texts(source, Into::Transaction(&mut transaction), settings)?;
        let row = sequence::lock(&mut transaction).await?;
        let is_known = (row.epoch, row.last_revision) == (known.epoch, known.revision);
        if !is_known || row.sole.is_some() || row.freed.is_some() {
            return Err(ImportError::Overtaken);
        }
        progress.check()?;
        progress.begin("storing", Some(built.graph.len() as u64), false);
        whole::replace(&mut transaction, &built.graph, &built.bases, &row, |count| progress.advance(count)).await?;
        progress.check()?;
        transaction.commit().await.map_err(StoreError::of_write)?;
        Ok(())
    }
}

/// Whether something may be imported into a database, as far as that is known without the source.
///
/// # Errors
/// When the database is away or of another release; when nothing may be written into it, unless nothing is to be.
pub async fn look_ahead(database: &Database, settings: &ImportSettings) -> Result<(), ImportError> {
    database.wait_until_there(ARRIVES_WITHIN).await?;
    if settings.keyspaces_only || !database.is_empty().await? {
        database.has_current_tables().await?;
    }
    if settings.dry_run {
        return Ok(());
    }
    let mut session = database.connect(CHECK).await?;
    let in_the_way = whole::what_forbids_writes(&mut session).await?;
    session.close().await?;
    in_the_way.map_or(Ok(()), |text| Err(ImportError::Unwritable(text)))
}

/// Stores only what daemons have, piece by piece.
///
/// # Errors
/// When the database is away or of another release, or the source breaks off; what was stored by then stays.
pub async fn store_keyspaces(
    database: &Database,
    source: &mut dyn Source,
    settings: &ImportSettings,
) -> Result<(), ImportError> {
    database.has_current_tables().await?;
    let rows = WideRows::new(database.sessions());
    store_texts(source, Into::Tables(&rows), settings)
}

/// Stores what is stored as it is, and writes the commands for `ZooKeeper`.
///
/// # Errors
/// When the database or the file does not take it, or the source breaks off.
pub fn store_texts(source: &mut dyn Source, into: Into<'_>, settings: &ImportSettings) -> Result<(), ImportError> {
    block_in_place(|| {
        let mut texts = Texts::new(into, settings.cluster_id.as_deref(), settings.zookeeper_out.as_deref())?;
        source.read_texts(&mut texts)?;
        texts.finish()
    })
}

/// The objects that a server makes at its first start, when there are these already.
fn with_first_objects(graph: &Graph) -> Option<Graph> {
    let rulebook = Arc::new(rulebook(graph.model(), Options::default()));
    let mut work = Work::new(graph.clone(), Identity::server("import"), &rulebook, Timestamp::now(), Uuid::new_v4);
    Operation::Provision { role_rules: true }.decide(None, &mut work).ok()?;
    Some(work.finish().0)
}

/// What is there that a first start does not make, or that somebody has changed since.
fn in_the_way(stored: &Graph) -> Vec<String> {
    let first = with_first_objects(&Graph::new(Arc::clone(stored.model())));
    let mut found: BTreeSet<String> = BTreeSet::new();
    for object in stored.all() {
        let kind = stored.model().object_type(object.type_id);
        let made = first.as_ref().and_then(|first| first.find_joined(object.type_id, object.fq_name.joined()));
        let what = match made {
            None => "",
            Some(made) if is_other(stored.model(), made, object) => " (changed since the first start)",
            Some(_) => continue,
        };
        found.insert(format!("{} {}{what}", kind.name, one_line(object.fq_name.joined())));
    }
    found.into_iter().collect()
}

/// Whether somebody has changed what the first start made.
fn is_other(model: &Model, made: &Object, stored: &Object) -> bool {
    let kind = model.object_type(stored.type_id);
    kind.properties
        .iter()
        .filter(|property| !OF_EACH_START.contains(&property.name.as_str()))
        .any(|property| made.property(property.id) != stored.property(property.id))
}

/// Whether a graph is in another one, which has nothing else but what a server completes it with.
fn is_in(built: &Graph, stored: &Graph) -> bool {
    // At first without what a server completes, which takes long to work out where there is much.
    let is_there = |object: &Arc<Object>| stored.get_of_type(object.type_id, object.uuid).is_some();
    if !built.all().all(is_there) {
        return false;
    }
    let Some(completed) = with_first_objects(built) else { return false };
    let is_same = |object: &Arc<Object>| {
        let Some(stored) = stored.get(object.uuid) else { return false };
        let is_as_it_came = object_differences(object, stored).is_empty() && object.written() == stored.written();
        is_as_it_came || completed.get(object.uuid) != Some(object) && is_completed_by(object, stored)
    };
    let is_completed = |object: &Arc<Object>| {
        let made = completed.find_joined(object.type_id, object.fq_name.joined());
        built.get(object.uuid).is_some() || made.is_some()
    };
    let held =
        |graph: &Graph| graph.pools().all_held().map(|(hold, holder)| (hold, holder.object())).collect::<Vec<_>>();
    built.all().all(is_same) && stored.all().all(is_completed) && held(built) == held(stored)
}

/// Whether a server has only added references to an object, as it does to projects without a set of policies.
fn is_completed_by(object: &Object, stored: &Object) -> bool {
    let kept = Object {
        links: stored.links.iter().filter(|link| object.link(link.reference, link.target).is_some()).cloned().collect(),
        modified: object.modified,
        properties: object.properties.clone(),
        ..stored.clone()
    };
    object_differences(object, &kept).is_empty() && object.properties.len() == stored.properties.len()
}
