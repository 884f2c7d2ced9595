//! Statements of CQL.
