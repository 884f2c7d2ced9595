//! A change as the log has it: complete by itself, so that it can be told without the graph that it happened to. Who
//! follows the log has the same graph, and with it knows all numbers and addresses that are taken (GEN-13).

use super::{changed_fields::changed_fields, operation::LogOperation};
use crate::{
    graph::{FqName, Graph, Hold, JsonText, Object, Permissions, text_weight},
    model::{Model, TypeId, field_name},
    rules::{Change, Effect},
    timestamp::Timestamp,
};
use rustc_hash::FxBuildHasher;
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// What it happened to.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An object: its state after the change; of a deleted one the last.
    Object(Arc<Object>),
    /// Addresses.
    Addresses(Vec<Hold>),
}

/// One numbered change, with all that is told of it.
#[derive(Debug)]
pub struct LogEntry {
    /// Dense: 1, 2, 3 ...
    pub revision: u64,
    /// The number of the last change of the same request.
    pub request: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub operation: LogOperation,
    /// The object changed; for addresses, the network they are of.
    pub uuid: Uuid,
    /// Its type.
    pub type_id: TypeId,
    /// Its name.
    pub fq_name: FqName,
    /// Its name before it was renamed.
    pub former_name: Option<FqName>,
    /// Which fields of an object that was there before are others now; none where that is not known, as in entries of before it
    /// was written down.
    pub changed: Option<Vec<String>>,
    /// What `perms2` said before, where the change has made it another one.
    pub former_permissions: Option<Box<FormerPermissions>>,
    /// What it happened to.
    pub subject: Subject,
    /// The type of the object's parent.
    pub parent_type: Option<TypeId>,
    /// What the targets of the object's links are called, in the order of the links; none for one that nobody knows.
    pub target_names: Vec<Option<FqName>>,
    /// The id of the request.
    pub request_id: Option<Arc<str>>,
    /// Who asked, as far as known.
    pub who: Option<Arc<str>>,
    /// The same by its parts; none of what the server does by itself.
    pub caller: Option<LoggedCaller>,
}

/// Who could do what with an object before a change.
#[derive(Debug)]
pub struct FormerPermissions {
    /// As it was written; `null` where there was none.
    pub text: JsonText,
    /// What that said.
    pub permissions: Arc<Permissions>,
}

impl FormerPermissions {
    /// From the text of a `perms2`.
    pub fn read(text: &str) -> Self {
        Self { permissions: Permissions::shared(Some(text)), text: text.into() }
    }

    /// None, where both states say the same.
    fn of(model: &Model, before: &Object, after: &Object) -> Option<Self> {
        let (id, _) = model.object_type(after.type_id).property(field_name::PERMS2)?;
        let text = before.plain_text(id);
        let text_or_null = || text.map_or_else(|| "null".into(), Arc::clone);
        (text != after.plain_text(id))
            .then(|| Self { text: text_or_null(), permissions: Arc::clone(&before.permissions) })
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + text_weight(&self.text) + self.permissions.weight()
    }
}

/// Who made a request, as the log has it.
#[derive(Clone, Debug)]
pub struct LoggedCaller {
    /// As JSON: the members `user`, `user_id`, `project`, `project_name`, `domain`, `roles` and `address`, as far as they are known.
    pub json: Arc<str>,
    /// The project, if its id is a uuid.
    pub project: Option<Uuid>,
}

/// The request that changes are of: when, and whose.
#[derive(Clone)]
pub struct Origin {
    /// When it was decided.
    pub at: Timestamp,
    /// Its id.
    pub request_id: Option<Arc<str>>,
    /// Who asked, as far as known.
    pub who: Option<Arc<str>>,
    /// The same by its parts.
    pub caller: Option<LoggedCaller>,
}

/// The objects as they were before a request: those that it has changed as its changes have them, all others as they are after it. So
/// nobody has to keep the graph of before.
struct Former<'c> {
    touched: HashMap<Uuid, Option<&'c Arc<Object>>, FxBuildHasher>,
    after: &'c Graph,
}

impl<'c> Former<'c> {
    fn of(changes: &'c [Change], after: &'c Graph) -> Self {
        let mut touched = HashMap::default();
        for change in changes {
            let before = match &change.effect {
                Effect::Put { before, .. } => before.as_ref(),
                Effect::Delete(last) => Some(last),
                Effect::Reserve(_) | Effect::Free(_) => continue,
            };
            // One that went and came again comes twice.
            touched.entry(change.uuid).or_insert(before);
        }
        Self { touched, after }
    }

    fn get(&self, uuid: Uuid) -> Option<&'c Arc<Object>> {
        self.touched.get(&uuid).map_or_else(|| self.after.get(uuid), |before| *before)
    }
}

impl LogEntry {
    /// From the changes of a request that was just decided, in their order; the graph is that after it.
    pub fn of_request<'c>(
        changes: &'c [Change],
        after: &'c Graph,
        origin: &'c Origin,
    ) -> impl Iterator<Item = Self> + use<'c> {
        let former = Former::of(changes, after);
        changes.iter().map(move |change| Self::new(change, &former, after, origin))
    }

    fn new(change: &Change, former: &Former<'_>, after: &Graph, origin: &Origin) -> Self {
        // What goes is told as it was: the uuids that it names may be others' after the same request.
        let goes = matches!(change.effect, Effect::Delete(_) | Effect::Free(_));
        let known = |uuid: Uuid| {
            let (before, after) = (former.get(uuid), after.get(uuid));
            if goes { before.or(after) } else { after.or(before) }
        };
        let (subject, object) = match &change.effect {
            Effect::Put { after: object, .. } | Effect::Delete(object) => {
                (Subject::Object(Arc::clone(object)), Some(object))
            }
            Effect::Reserve(holds) | Effect::Free(holds) => (Subject::Addresses(holds.clone()), known(change.uuid)),
        };
        let former_name = match &change.effect {
            Effect::Put { before: Some(before), after, .. } if before.fq_name != after.fq_name => {
                Some(before.fq_name.clone())
            }
            _ => None,
        };
        let changed = match &change.effect {
            Effect::Put { before: Some(before), after: object, .. } => {
                Some(changed_fields(after.model().object_type(object.type_id), before, object))
            }
            _ => None,
        };
        let former_permissions = match &change.effect {
            Effect::Put { before: Some(before), after: object, .. } => {
                FormerPermissions::of(after.model(), before, object).map(Box::new)
            }
            _ => None,
        };
        let of_object = match &subject {
            Subject::Object(object) => Some(object),
            Subject::Addresses(_) => None,
        };
        let links = of_object.map(|object| object.links.as_slice()).unwrap_or_default();
        let target_names = links.iter().map(|link| known(link.target).map(|target| target.fq_name.clone())).collect();
        let parent = of_object.and_then(|object| object.parent).and_then(known);
        Self {
            revision: change.revision,
            request: change.request,
            at: origin.at,
            operation: LogOperation::of(&change.effect),
            uuid: change.uuid,
            // A network with reserved addresses exists.
            type_id: object.map_or(TypeId(0), |object| object.type_id),
            fq_name: object.map_or_else(|| FqName::new::<&str>(&[]), |object| object.fq_name.clone()),
            former_name,
            changed,
            former_permissions,
            parent_type: parent.map(|parent| parent.type_id),
            subject,
            target_names,
            request_id: origin.request_id.clone(),
            who: origin.who.clone(),
            caller: origin.caller.clone(),
        }
    }

    /// The object, if the change is of one.
    pub fn object(&self) -> Option<&Arc<Object>> {
        match &self.subject {
            Subject::Object(object) => Some(object),
            Subject::Addresses(_) => None,
        }
    }

    /// Makes a graph follow that has all that came before. Its revision moves when a request is whole: the number after it is the
    /// first one of the request, with which columns were written.
    pub fn apply(&self, graph: &mut Graph) {
        match (&self.subject, self.operation) {
            (Subject::Object(object), LogOperation::Delete) => {
                graph.remove(object.uuid);
            }
            (Subject::Object(object), _) => match graph.get(object.uuid).cloned() {
                Some(before) => {
                    let mut object = Object::clone(object);
                    let kind = graph.model().object_type(object.type_id);
                    object.stamp(Some(&before), graph.next_creation(), kind);
                    graph.put(&Arc::new(object));
                }
                None => graph.put(object),
            },
            (Subject::Addresses(holds), LogOperation::Free) => holds.iter().for_each(|hold| graph.release(*hold)),
            (Subject::Addresses(holds), _) => holds.iter().for_each(|hold| graph.reserve(*hold)),
        }
        if self.request <= self.revision {
            graph.set_revision(self.revision);
        }
    }

    /// About how much memory it takes, in bytes: all that may be there for its sake alone. The state of an object is, as soon
    /// as there is a later one, and so is the name of one that is gone.
    pub fn weight(&self) -> usize {
        let subject = match &self.subject {
            Subject::Object(object) => object.weight(),
            Subject::Addresses(holds) => holds.len() * size_of::<Hold>(),
        };
        let names = [Some(&self.fq_name), self.former_name.as_ref()].into_iter().flatten();
        let names: usize = names.chain(self.target_names.iter().flatten()).map(FqName::weight).sum();
        let caller = self.caller.as_ref().map(|caller| &caller.json);
        let texts = [self.request_id.as_ref(), self.who.as_ref(), caller].into_iter().flatten();
        let texts: usize = texts.map(text_weight).sum();
        let changed: usize = self.changed.iter().flatten().map(|field| size_of::<String>() + field.len()).sum();
        let targets = self.target_names.len() * size_of::<Option<FqName>>();
        let former = self.former_permissions.as_ref().map_or(0, |former| former.weight());
        size_of::<Self>() + subject + targets + names + texts + changed + former
    }
}
