use super::*;
use crate::api::openapi::arguments::OF_OBJECTS;
use crate::model::Model;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn no_two_actions_have_the_same_path_and_method() {
    let mut known = BTreeSet::new();
    for action in all() {
        assert!(known.insert((action.path, action.method.as_str())), "{} {}", action.method, action.path);
    }
}

#[test]
fn a_path_is_a_word_or_below_an_object() {
    let model = Model::embedded().unwrap();
    for action in all() {
        let segments: Vec<&str> = action.path.split('/').collect();
        match segments.as_slice() {
            ["", word] | ["", _, UUID, word] => assert!(!word.is_empty() && !word.contains('{'), "{}", action.path),
            ["", "neutron", RESOURCE] => {}
            _ => panic!("{} would not be found", action.path),
        }
        if let ["", kind, UUID, _] = segments.as_slice() {
            assert!(model.find(kind).is_some(), "{}: no such type", action.path);
        }
    }
}

#[test]
fn an_argument_of_a_name_is_the_same_everywhere() {
    let mut known = BTreeMap::new();
    for argument in OF_OBJECTS.iter().chain(all().flat_map(|action| action.arguments)) {
        let described = serde_json::to_value(argument.parameter()).unwrap();
        let first = known.entry(argument.key).or_insert_with(|| described.clone());
        assert_eq!(*first, described, "{}", argument.key);
    }
}
