use super::loader::SourceFile;
use super::object_type::Property;
use super::*;
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::embedded().unwrap());

fn object_type(name: &str) -> &'static ObjectType {
    MODEL.object_type(MODEL.find(name).unwrap())
}

#[test]
fn the_schema_is_complete() {
    let types = MODEL.types();
    let count = |of: fn(&ObjectType) -> usize| types.iter().map(of).sum::<usize>();
    assert_eq!(types.len(), 126);
    assert_eq!(count(|of| of.properties.len()), 902);
    assert_eq!(count(|of| of.references.len()), 286);
    assert_eq!(count(|of| of.children.len()), 126);
    // 286 references less 7 to the own type.
    assert_eq!(count(|of| of.back_references.len()), 279);
    let references = || types.iter().flat_map(|of| &of.references);
    assert_eq!(references().filter(|of| of.symmetric).count(), 7);
    assert_eq!(references().filter(|of| of.derived).count(), 3);
    assert_eq!(references().filter(|of| of.attribute.is_some()).count(), 30);
    let properties = || types.iter().flat_map(|of| &of.properties);
    let is_list = |of: &&Property| matches!(of.collection, Collection::List { .. });
    let is_map = |of: &&Property| matches!(of.collection, Collection::Map { .. });
    assert_eq!(properties().filter(is_list).count(), 16);
    assert_eq!(properties().filter(is_map).count(), 8 + 126);
    let enforced: Vec<&str> = properties().filter(|of| of.enforced).map(|of| of.name.as_str()).collect();
    assert_eq!(enforced, ["loadbalancer_healthmonitor_properties"]);
    assert_eq!(MODEL.complex_types().len(), 229);
    // 6 built-in ones, and one that has a name only here.
    assert_eq!(MODEL.simple_types().len(), 144 + 6 + 1);
    assert!(types.is_sorted_by(|one, other| one.name < other.name));
}

#[test]
fn derived_children_are_marked() {
    let derived: Vec<(&str, &str)> = MODEL
        .types()
        .iter()
        .flat_map(|of| of.children.iter().map(move |child| (of, child)))
        .filter(|(_, child)| child.derived)
        .map(|(of, child)| (of.name.as_str(), child.field.as_str()))
        .collect();
    assert_eq!(
        derived,
        [
            ("security-group", "access_control_lists"),
            ("service-instance", "port_tuples"),
            ("virtual-network", "access_control_lists"),
            ("virtual-network", "routing_instances"),
        ]
    );
}

#[test]
fn names_are_derived() {
    let network = object_type("virtual-network");
    assert_eq!(network.field, "virtual_network");
    assert_eq!(network.collection, "virtual-networks");
    assert_eq!(network.title, "Virtual Network");
    assert_eq!(MODEL.find("virtual_network"), Some(network.id));
    assert_eq!(MODEL.find_collection("virtual-networks"), Some(network.id));
    assert_eq!(MODEL.find("Virtual-Network"), None);
    assert_eq!(MODEL.find("virtual-networks"), None);
    assert!(MODEL.find_collection("network-policies").is_none());

    for name in ["virtual-DNS-record", "virtual_DNS_record", "virtual-dns-record", "virtual_dns_record"] {
        assert_eq!(object_type(name).name, "virtual-DNS-record");
    }
    for path in ["virtual-DNSs", "virtual-dnss"] {
        assert_eq!(MODEL.find_collection(path), Some(object_type("virtual-DNS").id));
    }
}

#[test]
fn parents_keep_their_order() {
    let parents = |name: &str| MODEL.parent_names(object_type(name));
    assert_eq!(parents("virtual-machine-interface"), ["virtual-machine", "project", "virtual-router"]);
    assert_eq!(parents("tag"), ["config-root", "project"]);
    assert_eq!(parents("virtual-machine"), ["config-root"]);
    assert_eq!(object_type("tag").parents[0], Parent::ConfigRoot);
}

#[test]
fn fields_are_found_by_name() {
    let network = object_type("virtual-network");
    let ipam = object_type("network-ipam");
    let (id, reference) = network.reference("network_ipam_refs").unwrap();
    assert_eq!(reference.target, ipam.id);
    assert_eq!(network.references[usize::from(id.0)].id, id);
    assert_eq!(network.reference_to(ipam.id).unwrap().0, id);
    assert!(network.property("network_ipam_refs").is_none());

    let back =
        |of: &'static ObjectType| of.back_references.iter().find(|back| back.field == "virtual_network_back_refs");
    let (back, none) = (back(ipam).unwrap(), back(network));
    assert_eq!((back.source, back.reference), (network.id, id));
    let (_, own) = network.reference("virtual_network_refs").unwrap();
    assert!(own.symmetric);
    assert!(none.is_none());

    let policy = object_type("network-policy");
    let project = object_type("project");
    assert_eq!(project.child_of_type(policy.id).unwrap().field, "network_policys");

    let (id, property) = network.property("annotations").unwrap();
    assert_eq!(network.properties[usize::from(id.0)].name, property.name);
    assert_eq!(property.collection.wrapper(), Some("key_value_pair"));
}

// ---- mistakes ------------------------------------------------------------------------------------

const COMMON: (&str, &str) = ("common.toml", "");

fn load(files: &[(&str, &str)]) -> Result<Model, SchemaError> {
    let files: Vec<SourceFile> =
        files.iter().map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
    Model::from_files(&files)
}

/// The error for one object type and one file of value types beside an empty `common.toml`.
fn mistake(object_type: &str, value_types: &str) -> String {
    let files = [COMMON, ("object-types/a.toml", object_type), ("value-types/v.toml", value_types)];
    load(&files).unwrap_err().to_string()
}

#[test]
fn mistakes_in_object_types_are_found() {
    for (object_type, expected) in [
        ("name = \"b\"", "1: the file of object type \"b\" has to be b.toml"),
        ("name = \"a\"\nparent = [\"a\"]", "2: unknown field `parent`"),
        ("name = \"a\"\nparents = [\n  \"b\"]", "3: unknown object type \"b\""),
        ("name = \"a\"\nparents = []", "1: leave parents out"),
        ("\nname = \"a\"\nparents = [\"a\"]", "2: the parents of \"a\" never lead"),
        ("name = \"a\"\n[parent_links]\nb = {}", "3: parent_links without parents"),
        ("name = \"a\"\n[references]\nb = {}", "3: unknown object type \"b\""),
        ("name = \"a\"\n[references]\na = { attribute = \"X\" }", "3: unknown value type \"X\""),
        ("name = \"a\"\n[references]\na = { attribute = \"string\" }", "3: the attribute"),
        ("name = \"a\"\n[properties]\nx = { type = \"X\" }", "3: unknown value type \"X\""),
        ("name = \"a\"\n[properties]\nx = {}", "3: a property has one of"),
        ("name = \"a\"\n[properties]\nx = { list = \"string\" }", "3: \"string\" is no wrapper"),
        ("name = \"a\"\n[properties]\nx = { list = \"Pair\" }", "3: \"Pair\" is no wrapper"),
        ("name = \"a\"\n[properties]\nx = { map = \"Pairs\" }", "3: a map property needs a key"),
        (
            "name = \"a\"\n[properties]\nx = { map = \"Pairs\", key = \"b\" }",
            "3: the elements have no string or integer field \"b\"",
        ),
        ("name = \"a\"\n[properties]\nx = { list = \"Pairs\", key = \"k\" }", "3: only a map property has a key"),
        ("name = \"a\"\n[properties]\nx = { type = \"string\" }\nx = { type = \"string\" }", "4: duplicate key"),
        ("name = \"a\"\n[properties]\nuuid = { type = \"string\" }", "3: field \"uuid\" exists"),
        (
            "name = \"a\"\n[properties]\na_refs = { type = \"string\" }\n[references]\na = {}",
            "3: field \"a_refs\" exists already",
        ),
        (
            "name = \"a\"\n[properties]\nx = { type = \"string\", operations = \"RC\" }",
            "3: operations are letters of CRUD",
        ),
        (
            "name = \"a\"\n[properties]\nx = { type = \"integer\", default = \"x\" }",
            "3: default: integer value expected instead of x",
        ),
    ] {
        let value_types = "[complex.Pair]\nk = { type = \"string\" }\nv = { type = \"string\" }\n\
             [complex.Pairs]\np = { list = \"Pair\" }";
        let text = mistake(object_type, value_types);
        let expected = format!("object-types/a.toml:{expected}");
        assert!(text.starts_with(&expected), "{text}\n{expected}");
    }
}

#[test]
fn mistakes_in_value_types_are_found() {
    for (value_types, expected) in [
        ("[simple]\nX = { base = \"text\" }", "2: unknown built-in type \"text\""),
        ("[simple]\nX = { base = \"integer\", minimum = 1 }", "2: a range needs both"),
        ("[simple]\nX = { base = \"integer\", minimum = 2, maximum = 1 }", "2: minimum is larger"),
        ("[simple]\nX = { base = \"string\", values = [\"a\", \"a\"] }", "2: value \"a\" is listed"),
        ("[simple]\nX = { base = \"integer\", values = [\"a\"] }", "2: only strings can have"),
        ("[simple]\nstring = { base = \"string\" }", "2: value type \"string\" exists already"),
        ("[simple]\nX = { base = \"string\" }\n\n[complex.X]", "4: value type \"X\" exists already"),
        ("[complex.X]\n\ny = { type = \"Y\" }", "3: unknown value type \"Y\""),
        ("[complex.X]\ny = { kind = \"Y\" }", "2: unknown field `kind`"),
        ("[complex.X]\ny = {}", "2: a field has either type or list"),
        ("[complex.X]\nx = { list = \"X\" }", "1: a value of type \"X\" would hold itself"),
        ("[complex.X]\ny = ", "2: "),
    ] {
        let text = mistake("name = \"a\"", value_types);
        let expected = format!("value-types/v.toml:{expected}");
        assert!(text.starts_with(&expected), "{text}\n{expected}");
    }
}

#[test]
fn misplaced_and_missing_files_are_found() {
    let text = load(&[]).unwrap_err().to_string();
    assert_eq!(text, "common.toml:1: the file is missing");
    let text = load(&[COMMON, ("types/a.toml", "")]).unwrap_err().to_string();
    assert!(text.starts_with("types/a.toml:1: only common.toml"), "{text}");
    let missing = Model::from_directory(Path::new("no-such-directory"));
    assert_eq!(missing.unwrap_err().file, "common.toml");
}

#[test]
fn a_schema_is_read_from_a_directory_too() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let model = Model::from_directory(&directory).unwrap();
    let names = |model: &Model| -> Vec<String> {
        let types = model.types().iter();
        types.map(|of| of.name.clone()).collect()
    };
    assert_eq!(names(&model), names(&MODEL));
}
