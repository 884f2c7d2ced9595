//! Addresses of a network that no object holds.

use super::{Access, Action, Effect, given, text_member};
use crate::{
    api::{
        App,
        answer::Answer,
        budget::Named,
        call::Call,
        error::{Answered, ApiError},
        objects::check_readable,
        openapi::{
            arguments::DRY_RUN,
            operation::{ADDRESSES, Described, about, names_or_null},
            vocabulary::{empty_answer, list, nullable, nullable_text, object, simple, texts},
        },
    },
    ipam,
    rules::{
        AllocateAddresses, FreeAddresses, Operation, Outcome, Version, budget, count_addresses, network_of_call,
        string_list, unknown_network,
    },
};
use actix_web::http::Method;
use serde_json::{Value, json};
use utoipa::openapi::{Required, Type, path::OperationBuilder};
use uuid::Uuid;

/// Reserved, given back, and counted.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("virtual-network-ip-alloc"),
        path: "/virtual-network/{uuid}/ip-alloc",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, network| Box::pin(app.allocate_addresses(network, call)),
        arguments: &[DRY_RUN],
        description: describe_allocate,
    },
    Action {
        link: Some("virtual-network-ip-free"),
        path: "/virtual-network/{uuid}/ip-free",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, network| Box::pin(app.free_addresses(network, call)),
        arguments: &[DRY_RUN],
        description: describe_free,
    },
    Action {
        link: Some("virtual-network-subnet-ip-count"),
        path: "/virtual-network/{uuid}/subnet-ip-count",
        method: Method::POST,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, network| Box::pin(app.count_addresses(network, call)),
        arguments: &[],
        description: describe_count,
    },
];

impl App {
    async fn allocate_addresses(&self, network: &str, call: &Call) -> Answered<Answer> {
        let body = call.object()?;
        let count = given(&body, "count").map_or(Some(1), Value::as_u64);
        let most = budget::ADDRESSES.most;
        let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= most);
        let count = count.ok_or_else(|| {
            let text = format!("Bad Request, count must be an integer from 0 to {most}");
            ApiError::bad_request(text)
        })?;
        let subnet = match text_member(&body, "subnet")? {
            None => None,
            Some(text) => Some(Uuid::try_parse(&text).map_err(|_| {
                ApiError::not_found(format!("Subnet {text} not found: the uuid of a subnet is expected"))
            })?),
        };
        let family = given(&body, "family");
        let version = Version::of(family);
        if family.is_some() && version.is_none() {
            return Err(ApiError::bad_request("Bad Request, family must be 'v4' or 'v6'"));
        }
        let allocate = AllocateAddresses { network: network.to_owned(), count, subnet, version };
        match self.submit(call, Operation::AllocateAddresses(allocate)).await? {
            Outcome::Addresses(addresses) => Ok(Answer::json(&json!({"ip_addr": addresses}))),
            _ => Ok(Answer::Empty),
        }
    }

    async fn free_addresses(&self, network: &str, call: &Call) -> Answered<Answer> {
        let body = call.object()?;
        let list = given(&body, "ip_addr").map_or(Some(Vec::new()), string_list);
        let list = list.ok_or_else(|| ApiError::bad_request("Bad Request, ip_addr must be a list of addresses"))?;
        let addresses = list.iter().filter_map(|text| ipam::parse_address(text)).collect();
        self.submit(call, Operation::FreeAddresses(FreeAddresses { network: network.to_owned(), addresses })).await?;
        Ok(Answer::Empty)
    }

    async fn count_addresses(&self, network: &str, call: &Call) -> Answered<Answer> {
        let body = call.object()?;
        let list = given(&body, "subnet_list").map_or(Some(Vec::new()), string_list);
        let list = list.ok_or_else(|| ApiError::bad_request("Bad Request, subnet_list must be a list of uuids"))?;
        let snapshot = self.snapshot(call).await?;
        Named::Subnets.check(list.len())?;
        let found = network_of_call(&snapshot.graph, network)?;
        check_readable(call, &found, || unknown_network(network).into())?;
        let counts = count_addresses(&snapshot.graph, &found, &list);
        let counts: Vec<u64> = counts.into_iter().map(|count| u64::try_from(count).unwrap_or(u64::MAX)).collect();
        Ok(Answer::json(&json!({"ip_count_list": counts})))
    }
}

fn describe_allocate() -> OperationBuilder {
    let count = nullable(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(budget::ADDRESSES.most))
        .description(Some("How many; one if not given."));
    let family =
        simple(Type::String).enum_values(Some(["v4", "v6"])).description(Some("Which addresses; any if not given."));
    let members = [
        ("count", count.into()),
        ("subnet", nullable_text("The uuid of the subnet; any if not given.")),
        ("family", family.into()),
    ];
    about(ADDRESSES, "virtual_network_ip_alloc", "Reserves addresses")
        .takes_like(Required::False, object(&[], members), json!({"count": 1}))
        .answers("They are reserved.", object(&[], [("ip_addr", texts("The addresses."))]))
        .or(&[404, 409, 503])
}

fn describe_free() -> OperationBuilder {
    about(ADDRESSES, "virtual_network_ip_free", "Gives reserved addresses back")
        .takes(Required::False, object(&[], [("ip_addr", names_or_null("The addresses."))]))
        .response("200", empty_answer("They are free."))
        .or(&[404, 409, 503])
}

fn describe_count() -> OperationBuilder {
    about(ADDRESSES, "virtual_network_subnet_ip_count", "Counts the addresses that are taken")
        .takes(Required::False, object(&[], [("subnet_list", names_or_null("Uuids of subnets."))]))
        .answers(
            "A number for each of the subnets.",
            object(&["ip_count_list"], [("ip_count_list", list(simple(Type::Integer).into()).into())]),
        )
        .or(&[404, 503])
}
