//! Every object type is created with its smallest body, with every property filled in, and below each parent that it
//! may have; every reference is set. The server has to answer what existing servers answer.

use serde_json::{Value, json};

use crate::support::samples::Samples;
use crate::support::{Api, Server};

pub async fn sample_bodies_get_the_recorded_status() {
    // They are bodies of OpenSDN 2026, where ids of tags have twelve digits.
    let server = Server::start_with(&["--tag-id-digits", "12"]);
    let api = server.api();
    let mut samples = Samples::load();
    let mut failures = Vec::new();
    let (bodies, references) = (samples.all.clone(), samples.all.clone());
    let mut tried = 0;

    for sample in &bodies {
        for variant in ["minimal", "rich", "rich_tf_2024"] {
            if sample["bodies"][variant].is_object() {
                tried += 1;
                failures.extend(create(&api, &mut samples, sample, variant).await.err());
            }
        }
        for other in sample["under_other_parents"].as_array().into_iter().flatten() {
            tried += 1;
            failures.extend(create_below(&api, &mut samples, sample, other).await.err());
        }
    }
    for sample in &references {
        for reference in sample["references"].as_array().unwrap() {
            tried += 1;
            failures.extend(refer(&api, &mut samples, sample, reference).await.err());
        }
    }
    // Last of all, because it turns on drafts for the whole system: creates of security objects answer 202 then.
    let provisioned = &samples.sample("global-system-config")["bodies"].clone();
    let found = api.find("global-system-config", &json!(["default-global-system-config"])).await;
    for variant in ["rich", "rich_tf_2024"] {
        tried += 1;
        let about = format!("global-system-config/{variant} as an update");
        let Some(uuid) = &found else {
            failures.push(format!("{about}: there is no default-global-system-config"));
            continue;
        };
        let answer = api.put(&format!("/global-system-config/{uuid}"), &provisioned[variant]["body"]).await;
        let expected = &provisioned[variant]["status_put_on_provisioned_object"];
        if *expected != answer.status {
            failures.push(format!("{about}: {expected} expected, {answer}"));
        }
    }

    println!("{} of {tried} answered as recorded", tried - failures.len());
    assert!(failures.is_empty(), "{} of {tried} answered differently:\n{}\n", failures.len(), failures.join("\n"));
}

async fn create(api: &Api, samples: &mut Samples, sample: &Value, variant: &str) -> Result<(), String> {
    let kind = sample["type"].as_str().unwrap();
    let part = &sample["bodies"][variant];
    let key = format!("{kind}/{variant}");
    samples.ensure_listed(api, &part["create_first"]).await.map_err(|error| format!("{key}: {error}"))?;
    if part["status"] == 200 {
        if variant == "rich_tf_2024" {
            // It has the name of the rich one, which has to make way.
            make_way(api, samples, kind, "rich").await?;
        }
        // Also what another sample needed and made before is asked for again, to see the answer to this body: it has
        // to be refused because it exists, and for nothing else. Otherwise it is new.
        let name = &part["body"][kind]["fq_name"];
        if let Some(uuid) = api.find(kind, name).await {
            let answer = api.post(sample["path"].as_str().unwrap(), &part["body"]).await;
            let exists = answer.status == 409 && answer.text.ends_with(&format!("already exists with uuid: {uuid}"));
            return if exists { Ok(()) } else { Err(format!("{key}, which exists: 409 expected, {answer}")) };
        }
        if kind == "host-based-service" {
            // The project must allow it before, and allows no more than one.
            samples.ensure(api, &[&key]).await?;
            return make_way(api, samples, kind, variant).await;
        }
    }
    let answer = api.post(sample["path"].as_str().unwrap(), &part["body"]).await;
    if part["status"] == answer.status { Ok(()) } else { Err(format!("{key}: {} expected, {answer}", part["status"])) }
}

/// Deletes an object that is in the way of another one.
async fn make_way(api: &Api, samples: &mut Samples, kind: &str, variant: &str) -> Result<(), String> {
    let key = format!("{kind}/{variant}");
    let [uuid] = samples.ensure(api, &[&key]).await?.try_into().unwrap();
    let answer = api.delete(&format!("/{kind}/{uuid}")).await;
    if answer.status != 200 {
        return Err(format!("{key}, to make way: {answer}"));
    }
    samples.forget(&key);
    Ok(())
}

async fn create_below(api: &Api, samples: &mut Samples, sample: &Value, other: &Value) -> Result<(), String> {
    let kind = sample["type"].as_str().unwrap();
    let about = format!("{kind} below {}", other["body"][kind]["parent_type"]);
    samples.ensure_listed(api, &other["create_first"]).await.map_err(|error| format!("{about}: {error}"))?;
    let answer = api.post(sample["path"].as_str().unwrap(), &other["body"]).await;
    if other["status"] == answer.status {
        Ok(())
    } else {
        Err(format!("{about}: {} expected, {answer}", other["status"]))
    }
}

async fn refer(api: &Api, samples: &mut Samples, sample: &Value, reference: &Value) -> Result<(), String> {
    let kind = sample["type"].as_str().unwrap();
    let about = format!("{kind}.{}", reference["field"].as_str().unwrap());
    let prepared = async {
        samples.ensure_listed(api, &reference["create_first"]).await?;
        samples.ensure(api, &[&format!("{kind}/minimal")]).await
    };
    let [uuid] = prepared.await.map_err(|error| format!("{about}: {error}"))?.try_into().unwrap();
    let target = &reference["value"][0];
    let body = |operation: &str| {
        json!({
            "type": kind, "uuid": uuid, "ref-type": reference["to_type"], "ref-fq-name": target["to"],
            "operation": operation, "attr": target["attr"],
        })
    };
    let answer = api.post("/ref-update", &body("ADD")).await;
    if answer.status == 200 {
        // Each is recorded by itself: some of them exclude each other. Where others depend on it by now, it stays.
        let removed = api.post("/ref-update", &body("DELETE")).await;
        if removed.status >= 500 {
            return Err(format!("{about}: {removed}"));
        }
    }
    // Where the existing servers break (500) anything else is right.
    let right = match reference["status"].as_u64().unwrap() {
        500.. => answer.status < 500,
        status => status == u64::from(answer.status),
    };
    if right { Ok(()) } else { Err(format!("{about}: {} expected, {answer}", reference["status"])) }
}
