//! Tags, their types, and references to them.

use super::*;
use crate::rules::{SetTag, TagIdDigits};

fn tag_body(kind: &str, value: &str, members: Value) -> Value {
    let mut body = json!({"tag_type_name": kind, "tag_value": value});
    extend(&mut body, members);
    body
}

fn global(configuration: &mut Configuration, kind: &str, value: &str, members: Value) -> Decision<Arc<Object>> {
    configuration.at_top("tag", "whatever", tag_body(kind, value, members))
}

fn id(configuration: &Configuration, tag: &Object) -> Value {
    configuration.get(tag, "tag_id")
}

fn wide() -> Configuration {
    Configuration::with(Options { tag_id_digits: TagIdDigits::Twelve, ..Options::default() })
}

fn tag_type(configuration: &Configuration, name: &str) -> Option<Arc<Object>> {
    configuration.find("tag-type", name)
}

#[test]
fn tgt_1_seven_types_are_built_in() {
    let configuration = Configuration::new();
    let names = ["label", "application", "tier", "deployment", "site", "neutron_fwaas", "neutron_tag"];
    for (number, name) in names.iter().enumerate() {
        let stored = tag_type(&configuration, name).unwrap();
        assert!(stored.hidden);
        assert_eq!(configuration.get(&stored, "tag_type_id"), format!("0x{number:04x}"));
    }
}

#[test]
fn tgt_2_tgt_3_osd_4_osd_5_osd_6_numbers_of_types() {
    let mut configuration = Configuration::new();
    let mut create = |name: &str, members: Value| configuration.at_top("tag-type", name, members);
    let first = create("one", json!({"display_name": "ignored"})).unwrap();
    for number in ["0x0010", "0x8000", "0xffff"] {
        create(number, json!({"tag_type_id": number})).unwrap();
    }
    for number in ["0x000f", "0x0002", "0x10000", "many"] {
        let text = "400 Tag type can be set only with user defined id in range 16-65535";
        assert_eq!(refusal(create("two", json!({"tag_type_id": number}))), text, "{number}");
    }
    let taken = create("two", json!({"tag_type_id": "0x00ff"}));
    assert_eq!(refusal(taken), "400 Tag Type with same Id already exists");
    assert_eq!(configuration.get(&first, "tag_type_id"), "0x00ff");
    assert_eq!(configuration.get(&first, "display_name"), "one");
    // One that a tag brings along.
    let brought = global(&mut configuration, "colour", "red", json!({})).unwrap();
    assert_eq!(id(&configuration, &brought), "0x01000000");
}

#[test]
fn tgt_4_osd_7_osd_15_the_number_of_a_type_changes_everywhere() {
    let mut configuration = Configuration::new();
    let own = configuration.at_top("tag-type", "colour", json!({})).unwrap();
    let red = configuration.in_project("tag", "x", tag_body("colour", "red", json!({}))).unwrap();
    let body = json!({"service": {"protocol": "tcp"}, "endpoint_1": {"tags": ["colour=red"]}, "endpoint_2": {"any": true},
        "match_tags": {"tag_list": ["Colour"]}});
    let rule = configuration.in_project("firewall-rule", "r", body).unwrap();
    let text = "400 Tag Type value or ID cannot be updated";
    assert_eq!(refusal(configuration.update(&own, json!({"display_name": "Colour"}))), text);
    let tier = tag_type(&configuration, "tier").unwrap();
    let number = |number: &str| json!({"tag_type_id": number});
    assert_eq!(refusal(configuration.update(&tier, number("0x0045"))), text, "built in");
    configuration.update(&tier, number("0x0002")).unwrap();
    configuration.update(&own, json!({"tag_type_id": null})).unwrap();
    configuration.update(&own, number("0xff")).unwrap();
    assert_eq!(configuration.get(&own, "tag_type_id"), "0x00ff", "one spelling");
    let range = "400 Tag type can be set only with user defined id in range 16-65535";
    assert_eq!(refusal(configuration.update(&own, number("0x0003"))), range);
    configuration.at_top("tag-type", "other", number("0x0044")).unwrap();
    assert_eq!(refusal(configuration.update(&own, number("0x0044"))), "400 Tag Type ID 68 already in use");
    configuration.update(&own, number("0x0045")).unwrap();
    assert_eq!(id(&configuration, &red), "0x00450000");
    assert_eq!(configuration.get(&rule, "endpoint_1")["tag_ids"], json!([0x0045_0000]));
    assert_eq!(configuration.get(&rule, "match_tag_types"), json!({"tag_type": [0x45]}));
}

#[test]
fn tgt_5_tag_d2_a_type_goes_with_its_last_tag() {
    let mut configuration = Configuration::new();
    let red = global(&mut configuration, "colour", "red", json!({})).unwrap();
    let blue = global(&mut configuration, "colour", "blue", json!({})).unwrap();
    let colour = tag_type(&configuration, "colour").unwrap();
    assert!(refusal(configuration.delete(&colour)).starts_with("409 Delete when resource still referred"));
    configuration.delete(&red).unwrap();
    assert!(tag_type(&configuration, "colour").is_some());
    configuration.delete(&blue).unwrap();
    assert!(tag_type(&configuration, "colour").is_none());
    let tier = global(&mut configuration, "tier", "web", json!({})).unwrap();
    configuration.delete(&tier).unwrap();
    assert!(tag_type(&configuration, "tier").is_some(), "built in");
    let next = global(&mut configuration, "shape", "round", json!({})).unwrap();
    assert_eq!(id(&configuration, &next), "0x00ff0000", "the number is free");
}

#[test]
fn tag_c1_tag_c2_the_name_is_type_and_value() {
    let mut configuration = Configuration::new();
    let text = "400 Tag must be created with a type and a value";
    for body in [json!({"tag_type_name": "tier"}), json!({"tag_value": "web"}), json!({})] {
        assert_eq!(refusal(configuration.at_top("tag", "tier=web", body)), text);
    }
    let tag = global(&mut configuration, "TIER", "Web", json!({"display_name": "ignored"})).unwrap();
    assert_eq!(&**tag.fq_name.joined(), "tier=Web");
    assert_eq!(configuration.get(&tag, "display_name"), "tier=Web");
    assert_eq!(configuration.get(&tag, "tag_type_name"), "tier");
    let again = refusal(global(&mut configuration, "tier", "Web", json!({})));
    assert_eq!(again, format!("409 ['tier=Web'] already exists with uuid: {}", tag.uuid));
    configuration.in_project("tag", "x", tag_body("tier", "Web", json!({}))).unwrap();
}

#[test]
fn tag_c3_tag_c4_the_type_is_found_or_made() {
    let mut configuration = Configuration::new();
    let refs = json!({"tag_type_refs": [{"to": ["tier"]}]});
    assert_eq!(refusal(global(&mut configuration, "tier", "web", refs)), "400 Tag Type reference is not setable");
    let tag = global(&mut configuration, "colour", "red", json!({})).unwrap();
    assert_eq!(configuration.links(&tag, "tag_type_refs"), [("colour".to_owned(), Value::Null)]);
    assert!(tag_type(&configuration, "colour").unwrap().hidden);
}

#[test]
fn tag_c5_tag_x1_numbers_of_values_are_the_lowest_free() {
    let mut configuration = Configuration::new();
    let first = global(&mut configuration, "label", "a", json!({})).unwrap();
    let second = configuration.in_project("tag", "x", tag_body("label", "a", json!({}))).unwrap();
    assert_eq!([id(&configuration, &first), id(&configuration, &second)], ["0x00000000", "0x00000001"]);
    configuration.delete(&first).unwrap();
    let third = global(&mut configuration, "label", "b", json!({})).unwrap();
    assert_eq!(id(&configuration, &third), "0x00000000", "free at once");
}

#[test]
fn tag_c6_osd_2_osd_3_numbers_that_clients_choose() {
    let narrow = format!("400 Tag id can be set only for user defined tags in range{}32678-65535", " ".repeat(19));
    let kind = format!("400 Tag type id can be set only for user defined tag types{}in range 16-65535", " ".repeat(24));
    let hexadecimal = "400 Tag value must be in hexadecimal".to_owned();
    let taken = "400 Requested Tag id is already allocated".to_owned();
    let wide_text =
        |value: u64| format!("400 Tag value id can be set only in range 0-0xFFFFFFFF. Current tag_value_id {value}");
    let eight: [(&str, &str, Result<&str, &String>); 9] = [
        ("tier", "0x00028001", Ok("0x00028001")),
        ("tier", "0x90018001", Err(&taken)),
        ("tier", "0x90018002", Ok("0x00028002")),
        ("tier", "0x00020001", Err(&narrow)),
        ("tier", "zz", Err(&hexadecimal)),
        ("tier", "0x+0028001", Err(&hexadecimal)),
        ("tier", "0x000280000001", Err(&narrow)),
        ("tier", "0x0000000000000", Err(&hexadecimal)),
        ("colour", "0x00038001", Err(&kind)),
    ];
    let (low, last) = (wide_text(0x7fff_ffff), wide_text(0xffff_ffff));
    let twelve: [(&str, &str, Result<&str, &String>); 6] = [
        ("tier", "0x000280000001", Ok("0x000280000001")),
        ("tier", "0x90027fffffff", Err(&low)),
        ("tier", "0x0002ffffffff", Err(&last)),
        ("tier", "0x00028001", Ok("0x000200008001")),
        ("colour", "0x901180000001", Ok("0x901180000001")),
        ("shape", "0x000380000001", Err(&kind)),
    ];
    for (mut configuration, cases) in [(Configuration::new(), &eight[..]), (wide(), &twelve[..])] {
        for (number, (kind, given, expected)) in cases.iter().enumerate() {
            let answer = global(&mut configuration, kind, &number.to_string(), json!({"tag_id": given}));
            match expected {
                Ok(expected) => assert_eq!(id(&configuration, &answer.unwrap()), *expected),
                Err(expected) => assert_eq!(refusal(answer), **expected, "{given}"),
            }
        }
    }
}

#[test]
fn tag_c7_osd_11_a_refused_tag_leaves_types_alone() {
    let mut configuration = Configuration::new();
    let chosen = json!({"tag_id": "0x00028001"});
    global(&mut configuration, "tier", "a", chosen.clone()).unwrap();
    assert!(refusal(global(&mut configuration, "tier", "b", chosen)).contains("already allocated"));
    assert!(tag_type(&configuration, "tier").is_some());
    let refused = global(&mut configuration, "colour", "b", json!({"tag_id": "0x00030001"}));
    assert!(refusal(refused).starts_with("400"));
    assert!(tag_type(&configuration, "colour").is_none(), "nor is one left behind");
}

#[test]
fn tag_u1_osd_9_osd_10_what_may_change_of_a_tag() {
    let mut configuration = Configuration::new();
    let tag = global(&mut configuration, "tier", "web", json!({})).unwrap();
    let other = global(&mut configuration, "tier", "app", json!({})).unwrap();
    let text = "400 Tag name, type, value or ID cannot be updated";
    for body in [json!({"display_name": "x"}), json!({"tag_value": "app"}), json!({"tag_type_name": "site"})] {
        assert_eq!(refusal(configuration.update(&tag, body)), text);
    }
    let refs = configuration.update(&tag, json!({"tag_type_refs": []}));
    assert_eq!(refusal(refs), "400 Tag-type reference cannot be updated");
    for body in [
        json!({"display_name": "tier=web", "tag_value": "web"}),
        json!({"tag_type_name": "tier"}),
        json!({"tag_id": "0x00020000"}),
        json!({"tag_id": null}),
        json!({"annotations": {"key_value_pair": []}}),
    ] {
        configuration.update(&tag, body).unwrap();
    }
    let number = |number: &str| json!({"tag_id": number});
    let kind = configuration.update(&tag, number("0x00030005"));
    assert_eq!(
        refusal(kind),
        "400 Cannot update tag_id. Old tag_id 0x00020000. New tag_id 0x00030005. High 16bit cannot be updated. Old High 16 bit 2. New High 16 bit 3. "
    );
    assert_eq!(refusal(configuration.update(&tag, number("0x00020001"))), "400 Requested Tag id is already allocated");
    assert_eq!(refusal(configuration.update(&tag, number("x"))), "400 Tag value must be in hexadecimal");
    configuration.update(&tag, number("0x00020007")).unwrap();
    assert_eq!(id(&configuration, &tag), "0x00020007");
    configuration.update(&other, number("0x00020000")).unwrap();
}

#[test]
fn osd_15_rules_follow_the_number_of_a_tag() {
    let mut configuration = Configuration::new();
    let tag = configuration.in_project("tag", "x", tag_body("tier", "web", json!({}))).unwrap();
    let body =
        json!({"service": {"protocol": "tcp"}, "endpoint_1": {"tags": ["tier=web"]}, "endpoint_2": {"any": true}});
    let rule = configuration.in_project("firewall-rule", "r", body).unwrap();
    configuration.update(&tag, json!({"tag_id": "0x00028005"})).unwrap();
    assert_eq!(configuration.get(&rule, "endpoint_1")["tag_ids"], json!([0x0002_8005]));
}

#[test]
fn osd_1_osd_13_osd_14_the_width_of_ids_is_a_setting() {
    let mut configuration = wide();
    let tag = configuration.in_project("tag", "x", tag_body("tier", "web", json!({}))).unwrap();
    let body =
        json!({"service": {"protocol": "tcp"}, "endpoint_1": {"tags": ["tier=web"]}, "endpoint_2": {"any": true}});
    let rule = configuration.in_project("firewall-rule", "r", body).unwrap();
    let large = global(&mut configuration, "tier", "large", json!({"tag_id": "0x000280000001"})).unwrap();
    let seen = |configuration: &Configuration| {
        (id(configuration, &tag), configuration.get(&rule, "endpoint_1")["tag_ids"].clone())
    };
    assert_eq!(seen(&configuration), (json!("0x000200000000"), json!([0x0002_0000_0000_u64])));
    assert_eq!(configuration.get(&tag_type(&configuration, "tier").unwrap(), "tag_type_id"), "0x0002");
    // Started with the other width: the same pairs of numbers, written the other way.
    configuration.rulebook = Arc::new(rulebook(&model(), Options::default()));
    configuration.submit(Operation::Provision { role_rules: false }).unwrap();
    assert_eq!(seen(&configuration), (json!("0x00020000"), json!([0x0002_0000])));
    assert_eq!(id(&configuration, &large), "0x000280000001", "it does not fit, and is not cut");
    let (_, changes) = configuration.submit(Operation::Provision { role_rules: false }).unwrap();
    assert!(changes.is_empty());
    // A server with the other width beside it takes no number twice.
    let options = Options { tag_id_digits: TagIdDigits::Twelve, ..Options::default() };
    configuration.rulebook = Arc::new(rulebook(&model(), options));
    let next = global(&mut configuration, "tier", "next", json!({})).unwrap();
    assert_eq!(id(&configuration, &next), "0x000200000001");
}

#[test]
fn osd_2_what_clients_choose_is_left_out_of_what_is_given() {
    for (mut configuration, expected) in [(Configuration::new(), None), (wide(), Some("0x000200010000"))] {
        let template = global(&mut configuration, "tier", "0", json!({})).unwrap();
        let property = model().object_type(template.type_id).property("tag_id").map(|(id, _)| id).unwrap();
        for value in 1..0x8000_u64 {
            let mut tag = Object::clone(&template);
            tag.uuid = Uuid::from_u128(value.into());
            tag.fq_name = crate::graph::FqName::new(&[format!("tier={value}")]);
            tag.set_property(property, Some(format!("\"0x0002{value:04x}\"").into()));
            configuration.graph.put(&Arc::new(tag));
        }
        let next = global(&mut configuration, "tier", "next", json!({}));
        match expected {
            Some(expected) => assert_eq!(id(&configuration, &next.unwrap()), expected),
            None => assert_eq!(refusal(next), "400 No tag id of type tier is free"),
        }
    }
}

#[test]
fn osd_8_members_for_the_server_itself_mean_nothing() {
    let mut configuration = Configuration::new();
    let tag = global(&mut configuration, "tier", "web", json!({})).unwrap();
    let forced = configuration.update(&tag, json!({"tag_id": "0x00030005", "force": "yes"}));
    assert!(refusal(forced).starts_with("400 Cannot update tag_id"));
    let internal = json!({"tag_type_id": "0x0003", "internal_request": true});
    assert!(refusal(configuration.at_top("tag-type", "x", internal)).starts_with("400 Tag type can be set only"));
}

#[test]
fn tag_d1_a_tag_in_use_stays() {
    let mut configuration = Configuration::new();
    let tag = global(&mut configuration, "tier", "web", json!({})).unwrap();
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    configuration.refer(&machine, &tag, Value::Null).unwrap();
    assert!(refusal(configuration.delete(&tag)).starts_with("409 Delete when resource still referred"));
    configuration.unrefer(&machine, &tag).unwrap();
    configuration.delete(&tag).unwrap();
}

#[test]
fn tgr_1_tgr_2_tgr_3_one_tag_of_a_type() {
    let mut configuration = Configuration::new();
    let mut tag = |kind: &str, value: &str| global(&mut configuration, kind, value, json!({})).unwrap();
    let (web, app) = (tag("tier", "web"), tag("tier", "a=b"));
    let labels = [tag("label", "a"), tag("label", "b")];
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    let refs = |tags: &[&Object]| {
        let refs: Vec<Value> = tags.iter().map(|tag| json!({"uuid": tag.uuid.to_string()})).collect();
        json!({ "tag_refs": refs })
    };
    let text = "400 Tag type 'tier' cannot be set multiple times on the same Virtual Machine resource type";
    assert_eq!(refusal(configuration.update(&machine, refs(&[&web, &app]))), text);
    configuration.refer(&machine, &web, Value::Null).unwrap();
    assert_eq!(refusal(configuration.refer(&machine, &app, Value::Null)), text);
    configuration.update(&machine, refs(&[&web, &labels[0], &labels[1]])).unwrap();
    let group = configuration.in_project("address-group", "g", refs(&[&labels[0]])).unwrap();
    let text = "400 Invalid tag type tier for object type address_group";
    assert_eq!(refusal(configuration.refer(&group, &web, Value::Null)), text);
    let members = json!({"obj_type": "address-group", "tier": {"value": "web", "is_global": true}});
    assert_eq!(refusal(set(&mut configuration, &group, members)), text);
}

/// `/set-tag` on an object.
fn set(configuration: &mut Configuration, object: &Object, changes: Value) -> Decision<Arc<Object>> {
    let Value::Object(mut changes) = changes else { panic!("an object") };
    changes.remove("obj_type");
    let set = SetTag { type_id: object.type_id, uuid: object.uuid.to_string(), changes };
    configuration.submit_for_object(Operation::SetTag(set))
}

fn tags_of(configuration: &Configuration, object: &Object) -> Vec<String> {
    let mut names: Vec<String> = configuration.links(object, "tag_refs").into_iter().map(|(name, _)| name).collect();
    names.sort();
    names.iter().map(|name| name.replace("default-domain:default-project:", "")).collect()
}

#[test]
fn tgs_1_tgs_7_tgs_8_tags_are_set_in_one_request() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let gone = SetTag { type_id: network.type_id, uuid: Uuid::nil().to_string(), changes: Map::new() };
    let refused = configuration.submit_for_object(Operation::SetTag(gone));
    assert_eq!(refusal(refused), format!("404 Unknown id: {}", Uuid::nil()));
    global(&mut configuration, "tier", "web", json!({})).unwrap();
    global(&mut configuration, "site", "here", json!({})).unwrap();
    let both = json!({"tier": {"value": "web", "is_global": true}, "site": {"value": "here", "is_global": true}});
    set(&mut configuration, &network, both.clone()).unwrap();
    assert_eq!(tags_of(&configuration, &network), ["site=here", "tier=web"]);
    let revision = configuration.graph.revision();
    set(&mut configuration, &network, both).unwrap();
    assert_eq!(configuration.graph.revision(), revision, "nothing to change, nothing written");
    let one_wrong = json!({"site": null, "tier": {"value": "none", "is_global": true}});
    assert!(refusal(set(&mut configuration, &network, one_wrong)).starts_with("404"));
    assert_eq!(tags_of(&configuration, &network), ["site=here", "tier=web"], "all or nothing");
}

#[test]
fn tgs_2_tgs_3_tgs_4_values_of_single_and_repeated_types() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    for (kind, value) in [("tier", "web"), ("tier", "app"), ("label", "a"), ("label", "b"), ("label", "c")] {
        configuration.in_project("tag", "x", tag_body(kind, value, json!({}))).unwrap();
    }
    let mut change =
        |changes: Value| set(&mut configuration, &network, changes).map(|object| tags_of(&configuration, &object));
    assert_eq!(change(json!({"tier": {"value": "web"}})).unwrap(), ["tier=web"]);
    assert_eq!(change(json!({"tier": {"value": "app"}})).unwrap(), ["tier=app"]);
    for many in [json!({"add_values": ["web"]}), json!({"value": "web", "delete_values": ["app"]})] {
        let text = "400 Tag type tier cannot be set multiple times on a same object.";
        assert_eq!(refusal(change(json!({ "tier": many }))), text);
    }
    for none in [json!({}), json!({"value": ["web"]})] {
        assert_eq!(refusal(change(json!({ "tier": none }))), "400 No valid value provided for tag type tier");
    }
    assert_eq!(change(json!({"label": {"value": "a"}})).unwrap(), ["label=a", "tier=app"]);
    let labels = json!({"value": "b", "add_values": ["c"], "delete_values": ["a"]});
    assert_eq!(change(json!({ "label": labels })).unwrap(), ["label=b", "label=c", "tier=app"]);
    assert_eq!(change(json!({"label": null})).unwrap(), ["tier=app"]);
}

#[test]
fn tgs_5_tgs_6_which_tag_a_value_means() {
    let mut configuration = Configuration::new();
    let project = configuration.project();
    global(&mut configuration, "tier", "web", json!({})).unwrap();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let scoped = json!({"tier": {"value": "web"}});
    let missing = "404 Tag with FQName ['default-domain', 'default-project', 'tier=web'] not found";
    for object in [&project, &network] {
        assert_eq!(refusal(set(&mut configuration, object, scoped.clone())), missing, "never the global one for it");
    }
    let machine = configuration.at_top("virtual-machine", "vm", json!({})).unwrap();
    let nobody_s = set(&mut configuration, &machine, scoped.clone());
    assert_eq!(refusal(nobody_s), "404 Not able to determine the scope of the tag 'tier=web'");
    let stranger = json!({"perms2": {"owner": "1".repeat(32)}});
    let stray = configuration.at_top("virtual-machine", "stray", stranger).unwrap();
    let lost = set(&mut configuration, &stray, scoped.clone());
    assert_eq!(refusal(lost), format!("404 Cannot find virtual-machine {} owner", stray.uuid));
    configuration.in_project("tag", "x", tag_body("tier", "web", json!({}))).unwrap();
    set(&mut configuration, &project, scoped.clone()).unwrap();
    let owner = project.uuid.simple().to_string();
    let owned = configuration.at_top("virtual-machine", "owned", json!({"perms2": {"owner": owner}})).unwrap();
    set(&mut configuration, &owned, scoped).unwrap();
}
