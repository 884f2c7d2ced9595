//! Address management: the arithmetic of subnets, pools and addresses.
//!
//! Nothing here knows the objects that hold addresses, reads a database or waits. A [`Subnet`] is made of the stored
//! form of one subnet and says which address comes next; [`check_entry`], [`complete_entry`] and [`update_entry`] turn
//! what a client sends into that stored form. The rules are those of the address management of contrail-api R21,
//! except where it answers bad input with 500, forgets to protect an address or loses count.

mod address;
mod address_ranges;
mod free_ranges;
mod request;
mod subnet;
#[cfg(test)]
mod tests;
mod texts;

use std::fmt;

pub use address::{parse_address, parse_prefix, parse_prefix_address, why_refused, write_usual_notation};
pub use address_ranges::AddressRanges;
pub use free_ranges::FreeRanges;
pub use request::{check_entry, check_overlap, complete_entry, update_entry};
pub use subnet::{Subnet, overlapping};
pub use texts::{ADDRESS_IN_USE, exhausted, misaligned, no_defined_subnets, unknown_subnet};

/// What kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// What is asked for makes no sense.
    Nonsense,
    /// It clashes with what there is.
    Clash,
}

/// A refusal: what kind, what of a subnet is at fault, and the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// The member of the subnet that is at fault, where it is one alone.
    pub member: Option<&'static str>,
    /// The text, as clients of contrail-api know it.
    pub text: String,
}

impl Fault {
    /// What is asked for makes no sense.
    pub fn nonsense(text: impl Into<String>) -> Self {
        Self { kind: FaultKind::Nonsense, member: None, text: text.into() }
    }

    /// What is asked for clashes with what there is. contrail-api also says this of malformed subnets.
    pub fn clash(text: impl Into<String>) -> Self {
        Self { kind: FaultKind::Clash, member: None, text: text.into() }
    }

    /// The member of the subnet that is at fault.
    pub fn about(self, member: &'static str) -> Self {
        Self { member: Some(member), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}
