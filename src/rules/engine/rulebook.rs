//! What a type does beside what all types do, and where: the places that a type may fill, and the table of all types.

use crate::{
    access::{Right, role_rules::KeptRoleRules},
    graph::Object,
    model::{Model, TypeId},
    rules::engine::{Create, Decision, Draft, Options, Work},
};
use std::sync::Arc;

/// Whom a new object belongs to, if nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// To whom its parent belongs.
    Parent,
    /// To the project of who asks, below a parent of this type; else to whom the parent belongs.
    CallerBelow(&'static str),
    /// To itself, if it is created with a uuid: what is below a project belongs to the project.
    Itself,
}

/// Which tags an object of a type may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tags {
    /// One of each type, but for those of which there may be many (TGR-1).
    OneOfEachType,
    /// Labels alone (TGR-2).
    Labels,
    /// Any: they say what is matched, not what the object is.
    Any,
}

/// What a domain may do with an object without being its owner (PERM-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DomainAccess {
    /// Whether the object is the domain; else its parent is.
    pub itself: bool,
    /// As of a share: 4 is to read, 2 to write, 1 to refer to.
    pub access: u8,
}

/// What a type is, where types differ, and what it does around the steps that all have. Each hook may refuse; then nothing of the
/// request remains. Those that get a `Draft` may complete it, and see the graph as it was before the object; those that get an
/// `Object` come after it, and what they change is other objects.
pub struct Rules {
    /// Whether names may have colons in them.
    pub colons_in_names: bool,
    /// A type of parent that contrail-api once allowed and the model does not know, for those who still name it.
    pub former_parent: Option<&'static str>,
    /// Whom a new object belongs to.
    pub owner: Owner,
    /// Whether what is below its objects belongs to whom they belong to; else to who makes it.
    pub is_owner_of_children: bool,
    /// Whether objects without a parent hold for all projects, so that cloud admins make them.
    pub is_for_all: bool,
    /// What is needed of an object to create below it.
    pub right_to_create_below: Right,
    /// What the domain of an object may do with it.
    pub domain_access: Option<DomainAccess>,
    /// The key of the quota that limits them, where it isn't the name of the type.
    pub quota_key: Option<&'static str>,
    /// Whether only an explicit 1 allows an object, and only one (QTA-3).
    pub needs_explicit_quota: bool,
    /// Which tags its objects may have.
    pub tags: Tags,
    /// Before anything is looked at: may change the name that is asked for.
    pub before_name: Option<fn(&Work, &Create) -> Decision<Create>>,
    /// Checks and completes a new object.
    pub before_create: fn(&mut Work, &mut Draft) -> Decision<()>,
    /// Makes what belongs to a new object, which is in the graph.
    pub after_create: fn(&mut Work, &Arc<Object>) -> Decision<()>,
    /// Checks and completes a changed object, whichever way the change came.
    pub before_update: fn(&mut Work, &mut Draft) -> Decision<()>,
    /// Follows up on a change, which is in the graph: before, after.
    pub after_update: fn(&mut Work, &Arc<Object>, &Arc<Object>) -> Decision<()>,
    /// Checks whether the object may go, and takes away what is in its way.
    pub before_delete: fn(&mut Work, &Arc<Object>) -> Decision<()>,
    /// Follows up on the delete: the object is gone.
    pub after_delete: fn(&mut Work, &Arc<Object>) -> Decision<()>,
}

impl Rules {
    /// Those of a type, from the types with behaviour of their own, by name.
    pub fn in_table(table: &[(&str, &'static Self)], type_name: &str) -> &'static Self {
        table.iter().find(|(known, _)| *known == type_name).map_or(&Self::NONE, |(_, rules)| rules)
    }

    /// Nothing beyond the steps that all have.
    pub const NONE: Self = Self {
        colons_in_names: false,
        former_parent: None,
        owner: Owner::Parent,
        is_owner_of_children: true,
        is_for_all: false,
        right_to_create_below: Right::Write,
        domain_access: None,
        quota_key: None,
        needs_explicit_quota: false,
        tags: Tags::OneOfEachType,
        before_name: None,
        before_create: |_, _| Ok(()),
        after_create: |_, _| Ok(()),
        before_update: |_, _| Ok(()),
        after_update: |_, _, _| Ok(()),
        before_delete: |_, _| Ok(()),
        after_delete: |_, _| Ok(()),
    };
}

/// The rules of all types, and what operators set.
pub struct Rulebook {
    by_type: Vec<&'static Rules>,
    /// What operators set.
    pub options: Options,
    /// What roles may do.
    pub role_rules: KeptRoleRules,
}

impl Rulebook {
    /// From the types with behaviour of their own, by name.
    pub fn new(model: &Model, table: &[(&str, &'static Rules)], options: Options) -> Self {
        Self {
            by_type: model.types().iter().map(|kind| Rules::in_table(table, &kind.name)).collect(),
            options,
            role_rules: KeptRoleRules::new(model),
        }
    }

    /// The rules of a type.
    pub fn of(&self, type_id: TypeId) -> &'static Rules {
        self.by_type.get(usize::from(type_id.0)).copied().unwrap_or(&Rules::NONE)
    }
}
