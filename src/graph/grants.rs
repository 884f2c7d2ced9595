//! Which objects somebody may read without being an administrator: those of a project, and what is shared with it, with its
//! domain, or with everybody. A list of them costs what is in it, and not what there is.

use super::{Grantee, Object};
use crate::model::TypeId;
use imbl::OrdSet;
use std::{ops::Bound, sync::Arc};

/// To whom, of which type, and what it is called.
type Grant = (Grantee, TypeId, Arc<str>);

/// Who may read what; it follows from the objects.
#[derive(Clone, Default)]
pub struct Grants(OrdSet<Grant>);

impl Grants {
    /// Follows the change of an object that keeps its name and its type.
    pub fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        if let (Some(before), Some(after)) = (before, after)
            && before.permissions == after.permissions
            && before.fq_name == after.fq_name
        {
            return;
        }
        for grant in before.into_iter().flat_map(grants_of) {
            self.0.remove(&grant);
        }
        self.0.extend(after.into_iter().flat_map(grants_of));
    }

    /// The names of the objects of a type that are granted to somebody, from a name on, by name.
    pub fn names(
        &self,
        grantee: Grantee,
        type_id: TypeId,
        from: Bound<Arc<str>>,
    ) -> impl Iterator<Item = &Arc<str>> + use<'_> {
        let start = match from {
            Bound::Included(name) => Bound::Included((grantee, type_id, name)),
            Bound::Excluded(name) => Bound::Excluded((grantee, type_id, name)),
            Bound::Unbounded => Bound::Included((grantee, type_id, Arc::from(""))),
        };
        let range = self.0.range((start, Bound::Unbounded));
        range.take_while(move |grant| (grant.0, grant.1) == (grantee, type_id)).map(|(_, _, name)| name)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }
}

fn grants_of(object: &Object) -> impl Iterator<Item = Grant> {
    object.permissions.readers().map(|grantee| (grantee, object.type_id, Arc::clone(object.fq_name.joined())))
}
