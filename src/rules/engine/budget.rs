//! What one request may cost. Requests are decided one after the other, so while one is at work all others wait; its
//! changes go into the database with one statement, and stay in memory until that is done. So each has a bound, far above
//! what clients do, and what goes beyond it is refused as a whole, with 400 and the limit in the text.
//!
//! What there is already may be larger (it comes from an older release): it can be changed as long as it does not grow.

use crate::{
    graph::Object,
    rules::engine::{Decision, Rejection},
};

/// A bound on one kind of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// How much of it one request may do.
    pub most: usize,
    /// Of what, for the text.
    pub what: &'static str,
}

/// Addresses that `ip-alloc` takes, or `ip-free` gives back: all of a /16.
pub const ADDRESSES: Limit = Limit { most: 1 << 16, what: "addresses" };
/// Subnets that a request names for a network, or a flat ipam.
pub const SUBNETS: Limit = Limit { most: 1 << 14, what: "subnets" };
/// References that an object has, of all kinds.
pub const LINKS: Limit = Limit { most: 1 << 16, what: "references of one object" };
/// Element operations in one `/prop-collection-update`.
pub const UPDATES: Limit = Limit { most: 10_000, what: "updates of elements" };
/// Elements that a list or map property has after it.
pub const ELEMENTS: Limit = Limit { most: 1 << 16, what: "elements of one property" };
/// Regular expressions that come into the global configuration: each has to be compiled to be checked.
pub const PATTERNS: Limit = Limit { most: 100, what: "new patterns" };
/// Operations in one `/transaction`.
pub const OPERATIONS: Limit = Limit { most: 500, what: "operations" };
/// Objects that are written because of one request: of a draft of security policy, the rules in it; of a tag with another
/// number, the rules that name it.
pub const OBJECTS: Limit = Limit { most: 1 << 15, what: "objects changed" };
/// Bytes of them: each is logged as a whole, with the names of all that it refers to.
pub const BYTES: Limit = Limit { most: 128 << 20, what: "bytes of objects changed" };

/// What a reference adds to an object in the log, beside its data: uuid and name of the target.
const LINK_BYTES: usize = 128;

/// Refuses more than the limit.
///
/// # Errors
/// 400 with what is too much, and the limit.
pub fn check(limit: &Limit, count: usize) -> Decision<()> {
    if count <= limit.most {
        return Ok(());
    }
    let Limit { most, what } = limit;
    Err(Rejection::too_much(format!("Bad Request, too much for one request: {count} {what}, the limit is {most}")))
}

/// The same, for what may stay as large as it is.
///
/// # Errors
/// 400 with what is too much, and the limit.
pub fn check_growth(limit: &Limit, before: usize, after: usize) -> Decision<()> {
    if after > before { check(limit, after) } else { Ok(()) }
}

/// What a request has done so far.
#[derive(Default)]
pub struct Spent {
    objects: usize,
    bytes: usize,
    /// Why there will be no more.
    refusal: Option<Rejection>,
}

impl Spent {
    /// Takes the write of an object into account, or its delete, of which the last state is logged. After a refusal nothing
    /// needs to be done any more.
    ///
    /// # Errors
    /// The first refusal, again and again.
    pub fn write(&mut self, before: Option<&Object>, after: &Object) -> Decision<()> {
        if self.refusal.is_none() {
            self.objects += 1;
            self.bytes += size(after);
            let links_before = before.map_or(0, |before| before.links.len());
            let checked = check(&OBJECTS, self.objects)
                .and_then(|()| check(&BYTES, self.bytes))
                .and_then(|()| check_growth(&LINKS, links_before, after.links.len()));
            self.refusal = checked.err();
        }
        self.check()
    }

    /// Takes into account that an object has to be read, which may be large. The first refusal stays.
    pub fn read(&mut self, object: &Object) {
        if self.refusal.is_none() {
            self.bytes += size(object);
            self.refusal = check(&BYTES, self.bytes).err();
        }
    }

    /// Whether everything was within the limits.
    ///
    /// # Errors
    /// 400 with what was too much.
    pub fn check(&self) -> Decision<()> {
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

/// About how much an object takes in the log, in bytes.
fn size(object: &Object) -> usize {
    let properties: usize = object.properties.iter().map(|(_, text)| text.length()).sum();
    let links = object.links.iter().map(|link| link.attribute.as_ref().map_or(0, |text| text.len()) + LINK_BYTES);
    properties + links.sum::<usize>()
}
