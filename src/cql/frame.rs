//! The frames of CQL's native protocol, versions 3 and 4.
