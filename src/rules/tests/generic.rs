//! What holds for all types.

use super::*;

#[test]
fn gen_11_symmetric_references_are_on_both_ends() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let mut interface = |name: &str| {
        configuration
            .create(
                "virtual-machine-interface",
                json!({"fq_name": ["default-domain", "default-project", name], "parent_type": "project",
                    "virtual_network_refs": [{"uuid": network.uuid.to_string()}]}),
            )
            .unwrap()
    };
    let (one, other) = (interface("one"), interface("other"));
    let kind = one.type_id;
    let model = model();
    let reference = model.object_type(kind).reference("virtual_machine_interface_refs").map(|(id, _)| id).unwrap();
    let add = ReferenceUpdate {
        type_id: kind,
        uuid: one.uuid.to_string(),
        reference,
        target_uuid: Some(other.uuid.to_string()),
        target_name: None,
        add: true,
        attribute: Ok(Value::Null),
        relax: false,
    };
    let (_, changes) = configuration.submit(Operation::ReferenceUpdate(add)).unwrap();
    let mut operations: Vec<&str> = changes.iter().map(Change::operation).collect();
    operations.sort_unstable();
    assert_eq!(operations, ["i", "u"]);
    let targets = |configuration: &Configuration, object: &Object| -> Vec<Uuid> {
        configuration.graph.get(object.uuid).unwrap().links_of(reference).iter().map(|link| link.target).collect()
    };
    assert_eq!(targets(&configuration, &other), [one.uuid]);
    configuration.delete(&one).unwrap();
    assert!(targets(&configuration, &other).is_empty());
}
