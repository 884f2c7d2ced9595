//! Which request is served at the moment. Lines find it by themselves, wherever they are made: in handlers, in rules, in what
//! asks the database. It costs a request two pointers, and no line more than its text.

use super::trace::Trace;
use std::sync::Arc;

tokio::task_local! {
    static SERVED: Served;
}

/// A request, as lines and traces tell it.
#[derive(Clone)]
pub struct Served {
    /// `X-Request-Id`, or what was made up for it: 256 characters at most.
    pub id: Arc<str>,
    /// What is noted of where its time goes, if anything is.
    pub trace: Option<Arc<Trace>>,
}

impl Served {
    /// All that is done for a request, from the first line to the last.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        SERVED.scope(self, work)
    }

    /// What is done for a request where several are served together.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        SERVED.sync_scope(self.clone(), work)
    }

    /// The request for which this is done, if it is for one.
    pub fn current() -> Option<Self> {
        SERVED.try_with(Clone::clone).ok()
    }

    /// Looks at that request.
    pub(super) fn look<T>(look: impl FnOnce(&Self) -> T) -> Option<T> {
        SERVED.try_with(look).ok()
    }
}

/// What is noted of the request that is served, if anything is.
pub fn trace() -> Option<Arc<Trace>> {
    Served::look(|served| served.trace.clone()).flatten()
}
