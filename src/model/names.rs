//! The names in the schema as constants, made from it when this is built: a rule that names what is not there does not compile.

#![allow(dead_code)] // Most are named by no rule.

/// Types of objects.
pub mod type_name {
    include!(concat!(env!("OUT_DIR"), "/type_names.rs"));
}

/// Properties, references by the field that shows them, and members of values.
pub mod field_name {
    include!(concat!(env!("OUT_DIR"), "/field_names.rs"));
}
