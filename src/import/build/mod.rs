//! A graph of what was collected. Objects stay what they are; what they say of others has to be true, and what does not agree is
//! told, and left out or mended as the table of kinds says. Nothing is made up: no rule of a type is asked.

mod addresses;
mod facts;
mod links;
mod names;
mod nodes;
mod numbers;
mod parents;
mod times;

pub use nodes::is_compared;

use super::{
    ImportError,
    collect::{Collected, Named, Staged},
    findings::Report,
    progress::Progress,
    source::Fact,
};
use crate::{
    graph::{Graph, TimeBases, find_violations},
    model::Model,
    rules::{Options, rulebook},
};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// All objects by uuid.
type Objects = HashMap<Uuid, Staged>;

/// The configuration, whole.
pub struct Built {
    /// It. Revisions are times, the first is 1.
    pub graph: Graph,
    /// Which times they are.
    pub bases: TimeBases,
    /// How many reservations it has.
    pub reservations: usize,
}

/// Makes a graph of what was collected.
///
/// # Errors
/// When it is to stop, or nobody takes what is found. When what was made does not hold together, which is a fault of this program.
pub fn build(
    model: &Arc<Model>,
    collected: Collected,
    progress: &Progress,
    report: &mut Report,
) -> Result<Built, ImportError> {
    let Collected { mut objects, mut told, .. } = collected;
    progress.begin("comparing", None, false);
    told.sort();
    names::keep_one_of_each(model, &mut objects, &told, report);
    parents::settle(model, &mut objects, report);
    links::settle(model, &mut objects, report);
    facts::relax(&mut objects, &told, report);
    facts::compare(model, &objects, &told, report);
    names::compare(model, &objects, &told, report);
    report.check()?;
    progress.check()?;
    let (times, order) = times::in_order_of(&objects);
    let mut graph = Graph::new(Arc::clone(model));
    progress.begin("putting together", Some(order.len() as u64), false);
    let mut numbers = numbers::Numbers::new(model);
    for uuid in order {
        let Some(staged) = objects.remove(&uuid) else { continue };
        let object = numbers.without_taken(&graph, times.stamped(staged), report);
        graph.put(&Arc::new(object));
        progress.advance(1);
    }
    numbers.give_others(&mut graph, &told.nodes, report);
    graph.set_revision(times.last());
    let bases = times.bases();
    graph.set_time_bases(Arc::clone(&bases));
    let rulebook = Arc::new(rulebook(model, Options::default()));
    addresses::compare_subnets(&graph, report);
    addresses::hold(&mut graph, &rulebook, report);
    nodes::compare(&mut graph, &told.nodes, report);
    report.check()?;
    progress.begin("checking", None, false);
    let mut first = None;
    find_violations(&graph, &mut |finding| {
        first.get_or_insert(finding);
    });
    if let Some(first) = first {
        return Err(ImportError::Unsound(first.to_string()));
    }
    progress.check()?;
    let reservations = graph.pools().all_held().filter(|(_, holder)| holder.object().is_none()).count();
    Ok(Built { graph, bases, reservations })
}

/// What is said beside the objects, sorted by what it is.
#[derive(Default)]
pub struct Told {
    /// Type, name, uuid, and what stands there.
    names: Vec<(String, String, Option<Uuid>, String)>,
    /// Target and source, in order.
    back_references: Vec<(Uuid, Uuid)>,
    /// Parent and child, in order.
    children: Vec<(Uuid, Uuid)>,
    /// Target, and whose references do not stop its delete.
    relaxed: Vec<(Uuid, Uuid)>,
    /// With whom, which object, and what they may do.
    shares: Vec<(String, Uuid, String)>,
    /// Path and value.
    nodes: Vec<(String, Option<String>)>,
}

impl Told {
    /// One more.
    pub fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Name { kind, joined, uuid, text } => self.names.push((kind, joined, uuid, text)),
            Fact::BackReference { target, source } => self.back_references.push((target, source)),
            Fact::Child { parent, child } => self.children.push((parent, child)),
            Fact::Relaxed { target, by } => self.relaxed.push((target, by)),
            Fact::Share { with, uuid, access } => self.shares.push((with, uuid, access)),
            Fact::Node { path, value } => self.nodes.push((path, value)),
        }
    }

    fn sort(&mut self) {
        self.back_references.sort_unstable();
        self.children.sort_unstable();
        self.relaxed.sort_unstable();
    }
}

/// The uuids in the order in which the objects were made.
fn in_order(objects: &Objects) -> Vec<Uuid> {
    let mut order: Vec<(i64, Uuid)> = objects.iter().map(|(uuid, staged)| (staged.made, *uuid)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, uuid)| uuid).collect()
}

/// An object as findings name it.
fn named<'o>(model: &'o Model, staged: &'o Staged) -> Named<'o> {
    Named { model, object: &staged.object }
}
