//! `/ref-relax-for-delete` before there is a reference: the mark is stored, and other servers know it.

use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::support::{Server, fresh_directory};

/// GEN-10: a script marks what it is going to refer to, and takes it away later, through whichever server.
pub async fn a_mark_outlives_the_server() {
    let directory = fresh_directory();
    let data = directory.path().join("data");
    let mut server = Server::start_in(&data);
    let api = server.api();
    let create = async |kind: &str, name: &str| -> Value {
        let body = json!({kind: {"fq_name": ["default-domain", "default-project", name], "parent_type": "project"}});
        api.post(&format!("/{kind}s"), &body).await.ok()[kind]["uuid"].clone()
    };
    let (network, policy) = (create("virtual-network", "n").await, create("network-policy", "p").await);
    api.post("/ref-relax-for-delete", &json!({"uuid": network, "ref-uuid": policy})).await.ok();
    block_in_place(|| server.terminate());

    let server = block_in_place(|| Server::start_in(&data));
    let another = block_in_place(|| server.start_another());
    let (api, other) = (server.api(), another.api());
    let network = format!("/virtual-network/{}", network.as_str().unwrap());
    let references = json!({"virtual-network": {"network_policy_refs": [{"uuid": policy, "attr": null}]}});
    api.put(&network, &references).await.ok();
    other.delete(&format!("/network-policy/{}", policy.as_str().unwrap())).await.status_is(200);
    let left = api.get(&network).await.ok();
    assert!(left["virtual-network"].get("network_policy_refs").is_none(), "{left}");
}
