//! The sample bodies of `tests/data/sample-bodies.json`: for each object type bodies to create it with, what has
//! to exist before, and the status that a create gets. They are facts about the interface, recorded from existing
//! servers; only statuses, bodies and order are kept.
//!
//! `bodies` has `minimal`, `rich` (every property filled in) and, for four types, `rich_tf_2024`: the same object as
//! a client of the older of the two schemas sends it, under the same name.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Api;

pub struct Samples {
    pub all: Vec<Value>,
    by_type: HashMap<String, usize>,
    /// The uuids of what exists, by `type/variant`.
    created: HashMap<String, String>,
    /// What was made, as it was made.
    history: Vec<String>,
}

impl Samples {
    pub fn load() -> Self {
        let data: Value = serde_json::from_str(include_str!("../data/sample-bodies.json")).unwrap();
        let all = data["samples"].as_array().unwrap().clone();
        let types = all.iter().map(|sample| sample["type"].as_str().unwrap().to_owned());
        let by_type = types.enumerate().map(|(index, name)| (name, index)).collect();
        Self { all, by_type, created: HashMap::new(), history: Vec::new() }
    }

    pub fn sample(&self, kind: &str) -> &Value {
        &self.all[self.by_type[kind]]
    }

    /// `type/variant` and everything before it, in the order in which it has to be created.
    fn order(&self, key: &str, order: &mut Vec<String>) {
        let (kind, variant) = key.split_once('/').unwrap();
        for before in strings(&self.sample(kind)["bodies"][variant]["create_first"]) {
            self.order(before, order);
        }
        if !order.iter().any(|known| known == key) {
            order.push(key.to_owned());
        }
    }

    /// Makes the objects that these keys name, with all that they need, unless they exist. Gives their uuids.
    pub async fn ensure(&mut self, api: &Api, keys: &[&str]) -> Result<Vec<String>, String> {
        let mut order = Vec::new();
        for key in keys {
            self.order(key, &mut order);
        }
        for key in order {
            if self.created.contains_key(&key) {
                continue;
            }
            let (kind, variant) = key.split_once('/').unwrap();
            if kind == "host-based-service" {
                allow_host_based_services(api, &self.sample(kind)["bodies"][variant]["body"][kind]).await?;
            }
            let body = &self.sample(kind)["bodies"][variant]["body"];
            // There is one global-system-config only, which the server makes by itself.
            let name = match kind {
                "global-system-config" => json!(["default-global-system-config"]),
                _ => body[kind]["fq_name"].clone(),
            };
            if kind != "global-system-config" {
                let answer = api.post(self.sample(kind)["path"].as_str().unwrap(), body).await;
                if !matches!(answer.status, 200 | 409) {
                    return Err(format!("{key}, which is needed first: {answer}"));
                }
            }
            let uuid = api.find(kind, &name).await.ok_or(format!("{key} is not found by its name {name}"))?;
            self.history.push(key.clone());
            self.created.insert(key, uuid);
        }
        Ok(keys.iter().map(|key| self.created[*key].clone()).collect())
    }

    /// What `create_first` lists.
    pub async fn ensure_listed(&mut self, api: &Api, create_first: &Value) -> Result<Vec<String>, String> {
        self.ensure(api, &strings(create_first)).await
    }

    /// Deletes all that was made, the last first.
    pub async fn clear(&mut self, api: &Api) {
        for key in std::mem::take(&mut self.history).into_iter().rev() {
            let kind = key.split('/').next().unwrap();
            if let Some(uuid) = self.created.remove(&key).filter(|_| kind != "global-system-config") {
                let answer = api.delete(&format!("/{kind}/{uuid}")).await;
                assert!(matches!(answer.status, 200 | 404), "{answer}");
            }
        }
    }

    /// Forgets an object that was deleted.
    pub fn forget(&mut self, key: &str) {
        self.created.remove(key);
    }
}

/// A project may have no host based service unless its quota says otherwise.
async fn allow_host_based_services(api: &Api, service: &Value) -> Result<(), String> {
    let mut name = service["fq_name"].as_array().unwrap().clone();
    name.pop();
    let uuid = api.find("project", &json!(name)).await.ok_or(format!("there is no project {name:?}"))?;
    let path = format!("/project/{uuid}");
    let mut quota = api.get(&path).await.ok()["project"]["quota"].clone();
    if quota.is_null() {
        quota = json!({});
    }
    quota["host_based_service"] = json!(1);
    let answer = api.put(&path, &json!({"project": {"quota": quota}})).await;
    if answer.status == 200 { Ok(()) } else { Err(answer.to_string()) }
}

pub fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}
