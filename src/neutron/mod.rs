//! `OpenStack`'s networks: what neutron-server's plug-in asks of `POST /neutron/<resource>`, on the same objects that everything else
//! sees (NEU-GEN-12).
//!
//! # Where a request is decided
//!
//! `api` reads the envelope (`envelope.rs`), looks up the resource in the table (`resource.rs`), and hands the request over:
//!
//! - What reads gets a [`View`] of one snapshot. Answers of lists are made one by one, and compared with all filters that name a
//!   field (`filters.rs`); a count is the length of the same list.
//! - What writes becomes one operation of the writer ([`Composed`]). On the fork on which that is decided it has a [`Turn`]: there it
//!   looks at what there is, in the order in which Neutron does, and does creates, updates, deletes and changes of references, which
//!   the rules decide as if they had come alone. So it is all or nothing, one range of revisions, and what it was decided on can't
//!   have changed (NEU-GEN-10, NEU-GEN-11). The answer is made on the fork, too.
//!
//! This room has no I/O, no clock and no randomness: times and new uuids come from the `Turn`. No rule of a type is written here a
//! second time: what a type refuses becomes a class of Neutron by its kind (`refused.rs`), or by the place that knows better.
//!
//! # Rights
//!
//! Everything is done and read with the rights of who asks (NEU-ENV-4): a `Turn` and a `View` ask the rules of roles about each type
//! that they touch, objects that may not be read are not there for lists, and the rules ask objects for the rest. The context of the
//! envelope only says at what a list looks.
//!
//! # How a resource is added
//!
//! 1. A file `src/neutron/<resource>.rs` with `pub static RESOURCE: Resource` (copy that of `network.rs`): its path, its operations,
//!    each `Does::Writes`, `Does::Reads`, `Does::Lists` or `Does::Counts`, and an example for the documentation.
//! 2. Its name in `mod` below, and one line in `RESOURCES` of `resource.rs`. Route, documentation and 404 follow from the table.
//! 3. Functions that write are `fn(&mut Turn) -> Answered<Value>`, those that read `fn(&View) -> Answered<Value>`, both with the
//!    request in `.request`; an answer is made by one function of `&View`, for all of them. `Value::Null` is the empty body of a
//!    DELETE.
//! 4. A list says its `fields` and its `candidates`: an iterator over answers, narrowed by an index where there is one. Filters that
//!    name fields are compared afterwards for all resources alike, so they need no code.
//! 5. Refusals: `Err(Exception::PortNotFound { .. }.into())`; the classes with their arguments are in `exception.rs`. What the rules
//!    refuse becomes `BadRequest`, `Conflict`, `NotFound`, `OverQuota` or `NotAuthorized` unless `Refused::or_if` says otherwise.
//! 6. Its rules go into `rules/9_neutron.toml`: a section of its own, with all numbers of each prefix. Each id stands in a comment here
//!    and in the name of a test in `tests/<resource>.rs` (one line in `tests/mod.rs`), on a graph in memory. What is recorded of it
//!    comes out of `tests/golden/expected-differences-of-neutron.toml`, which has to be exact.
//!
//! What is there to help:
//!
//! - The request: `text`, `flag`, `list`, `texts`, `uuid`, `given`, `required` are members of `data.resource`, refused with their
//!   names; `id()` is `data.id`, `tenant_of_body()` whose the new object is, `filters` has `uuids`, `texts`, `flag`, `object`.
//! - What is there: `view.project` (NEU-GEN-4), `view.find` (by id, with the class for none), `view.of_tenants` and `view.of_ids` (what
//!   lists look at), `view.shared_with`, `view.property`, `flag`, `links`, `targets`, `view.shown_name`, `tenant_of`, `is_enabled`,
//!   `view.add_common` (times, description, tags); `view.graph` has `children_of`, `referrers`, `find_joined`, `pools().holder` and
//!   `sharing` (who has an address), `with_inner_key` (ports by MAC address, groups by rule); `network::missing` and `visible`,
//!   `subnet::find` and `of_network`, `port::find` and `missing`, `port::addresses` (those of a port), `whole` (resources that show
//!   the whole object).
//! - What is done: `turn.create_named` (ids and names, NEU-GEN-1 to NEU-GEN-3), `turn.create`, `update`, `delete`, `change_reference`,
//!   `turn.create_for_all` (what is everybody's), `turn.on` (another form of the request),
//!   `turn.id_perms` (description and state), `turn.default_group`, `turn.now_of` (the object as it is by now), `turn.new_uuid`, `now`.
//! - Each create and update ends with `tags::add_given`, and answers with the object that it gives.
//! - A list that has to make something first says so in `List::first`.

mod envelope;
mod exception;
mod filters;
mod firewall;
mod firewall_group;
mod firewall_policy;
mod firewall_rule;
mod floatingip;
mod ipam;
mod key_values;
mod nat_instance;
mod network;
mod policy;
mod port;
mod refused;
mod resource;
mod route_table;
mod router;
mod security_group;
mod security_group_rule;
mod subnet;
mod tags;
#[cfg(test)]
mod tests;
mod trunk;
mod turn;
mod view;
mod virtual_router;
mod whole;

pub use envelope::Request;
pub use key_values::{KeyValues, TAGS_OF_SUBNETS, follows_from_networks};
pub use refused::{Answered, Refused};
pub use resource::{Does, List, RESOURCES, Resource, find, only_reads};
pub use tags::with_tags_of_subnets;
pub use turn::Turn;
pub use view::{TAG_PREFIX, View};

use crate::rules::{Compose, Decision, Outcome, Work};
use serde_json::Value;
use std::sync::Arc;

/// A request that writes, as an operation of the writer.
#[derive(Debug)]
pub struct Composed {
    /// What is asked for.
    pub request: Arc<Request>,
    /// How it is done.
    pub write: fn(&mut Turn<'_>) -> Answered<Value>,
}

impl Compose for Composed {
    fn decide(&self, work: &mut Work) -> Decision<Outcome> {
        let answer = (self.write)(&mut Turn::new(work, &self.request));
        answer.map(Outcome::Answer).map_err(|refused| refused.into_rejection(self.request.resource.name()))
    }
}
