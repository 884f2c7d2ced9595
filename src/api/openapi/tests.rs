use super::*;
use crate::api::routes::Found;
use std::collections::BTreeSet;

/// Methods with their paths.
type Operations = BTreeSet<(String, String)>;

fn documented(model: &Model) -> Operations {
    let mut operations = Operations::new();
    for (path, item) in document(model).paths.paths {
        let of_path = [("GET", item.get), ("POST", item.post), ("PUT", item.put), ("DELETE", item.delete)];
        let methods = of_path.into_iter().filter_map(|(method, operation)| operation.map(|_| method));
        operations.extend(methods.map(|method| (path.clone(), method.to_owned())));
    }
    operations
}

#[test]
fn what_is_documented_is_what_is_listed() {
    let model = Model::embedded().unwrap();
    let documented = documented(&model);
    let listed: Operations =
        routes::all(&model).into_iter().map(|(method, path, _)| (path, method.to_string())).collect();
    assert_eq!(documented.difference(&listed).next(), None, "documented and not listed");
    assert_eq!(listed.difference(&documented).next(), None, "listed and not documented");
}

#[test]
fn what_is_listed_is_what_is_served() {
    let model = Model::embedded().unwrap();
    let mut served = Operations::new();
    let mut listed = Operations::new();
    for (method, path, route) in routes::all(&model) {
        match routes::find(&model, &method, &path) {
            Found::Route(found) => assert_eq!(found, route, "{method} {path}"),
            _ => panic!("{method} {path} is listed and not served"),
        }
        // A path says itself which methods it has.
        let Found::OtherMethods(allow) = routes::find(&model, &Method::TRACE, &path) else {
            panic!("TRACE {path} is served");
        };
        served.extend(allow.split(',').map(|method| (path.clone(), method.to_owned())));
        listed.insert((path, method.to_string()));
    }
    assert_eq!(served.difference(&listed).next(), None, "served and not listed");
}

#[test]
fn no_name_stands_for_two_schemas() {
    let model = Model::embedded().unwrap();
    let mut names = BTreeSet::new();
    for (name, _) in value_types::schemas(&model).chain(object_types::schemas(&model)).chain([refusals::problem()]) {
        assert!(names.insert(name.clone()), "{name}");
    }
}
