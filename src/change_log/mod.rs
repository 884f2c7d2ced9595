//! The changes of the configuration as the log has them: what rules decide, told so that it is complete by itself.

mod changed_fields;
mod entry;
mod operation;

pub use entry::{FormerPermissions, LogEntry, LoggedCaller, Origin, Subject};
pub use operation::LogOperation;
