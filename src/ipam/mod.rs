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
pub use subnet::Subnet;
pub use texts::{ADDRESS_IN_USE, exhausted, misaligned, no_defined_subnets, unknown_subnet};

/// A refusal: the status of the answer and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// The text, as clients of contrail-api know it.
    pub text: String,
}

impl Fault {
    /// What is asked for makes no sense: 400.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self { status: 400, text: text.into() }
    }

    /// What is asked for clashes with what there is: 409. contrail-api also says this of malformed subnets.
    pub fn conflict(text: impl Into<String>) -> Self {
        Self { status: 409, text: text.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}
