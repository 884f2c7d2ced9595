//! What the rules of a network policy say, for people.

use super::collect::Sight;
use crate::{
    graph::Object,
    model::{field_name, type_name},
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// How many rules of a policy are looked at.
const MOST_RULES: usize = 200;
/// How many addresses of one end of a rule are looked at.
const MOST_ADDRESSES: usize = 10;

/// An end of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A network.
    Named(Uuid),
    /// Every network that has the policy: `local`, or `any`.
    Open,
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it begins.
    pub sources: Vec<End>,
    /// Where it leads.
    pub targets: Vec<End>,
    /// Whether connections may be opened from both ends.
    pub is_both_ways: bool,
    /// Whether it lets nothing through.
    pub is_refusal: bool,
    /// Protocol and ports: `tcp 80`.
    pub what: String,
}

impl Rule {
    /// The other ends, seen from a network that has the policy.
    pub fn peers_of(&self, network: Uuid) -> impl Iterator<Item = &End> {
        let is_at = move |ends: &[End]| ends.iter().any(|end| matches!(end, End::Open) || *end == End::Named(network));
        let targets = self.targets.iter().filter(move |_| is_at(&self.sources));
        let sources = self.sources.iter().filter(move |_| is_at(&self.targets));
        targets.chain(sources)
    }

    /// What is said of it, seen from the end it is told from, or from the other one: `→ tcp 80`.
    pub fn told(&self, is_from_source: bool) -> String {
        let arrow = match (self.is_both_ways, is_from_source) {
            (true, _) => "↔",
            (false, true) => "→",
            (false, false) => "←",
        };
        format!("{arrow} {}", self.what)
    }
}

/// The rules of a policy, as far as their ends are networks that may be seen.
pub fn rules(sight: &Sight<'_>, policy: &Object) -> Vec<Arc<Rule>> {
    let entries = sight.property(policy, field_name::NETWORK_POLICY_ENTRIES);
    let rules = entries.as_ref().and_then(|entries| entries.get("policy_rule")).and_then(Value::as_array);
    let project = policy.fq_name.elements();
    let project = project.get(..2).unwrap_or_default();
    let named = |name: &str| {
        let kind = sight.kind(type_name::VIRTUAL_NETWORK)?;
        // A name by itself is one of the same project.
        let found = if name.contains(':') {
            sight.graph.find_joined(kind, name)
        } else {
            sight.graph.find(kind, &[project, &[name]].concat())
        };
        found.filter(|network| sight.sees(network)).map(|network| network.uuid)
    };
    let rules = rules.map(Vec::as_slice).unwrap_or_default().iter().take(MOST_RULES);
    rules.map(|rule| Arc::new(read(rule, &named))).collect()
}

fn read(rule: &Value, named: &impl Fn(&str) -> Option<Uuid>) -> Rule {
    let ends = |name: &str| -> Vec<End> {
        let addresses = list(rule, name).iter().take(MOST_ADDRESSES);
        let networks = addresses.filter_map(|address| address.get("virtual_network")?.as_str());
        let ends = networks.filter_map(|network| match network {
            "any" | "local" => Some(End::Open),
            name => named(name).map(End::Named),
        });
        ends.collect()
    };
    let action = rule.get("action_list");
    let refuses = action.and_then(|action| action.get("simple_action")).is_some_and(|action| action == "deny");
    let services = action.map(|action| list(action, "apply_service")).unwrap_or_default();
    let service = services.first().and_then(Value::as_str).map(|name| format!(" by way of {}", last_of(name)));
    let protocol = rule.get("protocol").and_then(Value::as_str).unwrap_or("any");
    let to = ports(list(rule, "dst_ports")).map(|ports| format!(" {ports}"));
    let from = ports(list(rule, "src_ports")).map(|ports| format!(" from {ports}"));
    let words = [
        if refuses { "no " } else { "" },
        if protocol == "any" && to.is_none() { "all" } else { protocol },
        to.as_deref().unwrap_or_default(),
        from.as_deref().unwrap_or_default(),
        service.as_deref().unwrap_or_default(),
    ];
    Rule {
        sources: ends("src_addresses"),
        targets: ends("dst_addresses"),
        is_both_ways: rule.get("direction").is_some_and(|direction| direction == "<>"),
        is_refusal: refuses,
        what: words.concat(),
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn last_of(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or_default()
}

/// `80, 8000-8080`; none where all ports are meant.
fn ports(ranges: &[Value]) -> Option<String> {
    let number = |range: &Value, name: &str| range.get(name).and_then(Value::as_i64);
    let told = ranges.iter().take(MOST_ADDRESSES).filter_map(|range| {
        let (first, last) = (number(range, "start_port")?, number(range, "end_port")?);
        match (first, last) {
            (..=-1, _) | (_, ..=-1) | (0, 65535..) => None,
            (first, last) if first == last => Some(first.to_string()),
            (first, last) => Some(format!("{first}-{last}")),
        }
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty() && told.len() == ranges.len().min(MOST_ADDRESSES)).then(|| told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn rule(change: &Value) -> Rule {
        let mut rule = json!({
            "direction": "<>", "protocol": "tcp", "action_list": {"simple_action": "pass"},
            "src_addresses": [{"virtual_network": "one"}], "src_ports": [{"start_port": -1, "end_port": -1}],
            "dst_addresses": [{"virtual_network": "other"}], "dst_ports": [{"start_port": 80, "end_port": 80}],
        });
        for (name, value) in change.as_object().unwrap() {
            rule[name] = value.clone();
        }
        let named = |name: &str| [("one", ONE), ("other", OTHER)].into_iter().find(|(known, _)| *known == name);
        read(&rule, &|name| named(name).map(|(_, uuid)| uuid))
    }

    #[test]
    fn protocol_and_ports_are_told_in_short() {
        let port = |first: i64, last: i64| json!({"start_port": first, "end_port": last});
        for (change, expected) in [
            (json!({}), "tcp 80"),
            (json!({"protocol": "any", "dst_ports": [port(-1, -1)]}), "all"),
            (json!({"protocol": "any", "dst_ports": [port(0, 65535)]}), "all"),
            (json!({"protocol": "any", "dst_ports": []}), "all"),
            (json!({"protocol": "icmp", "dst_ports": [port(-1, -1)]}), "icmp"),
            (json!({"dst_ports": [port(80, 80), port(8000, 8080)]}), "tcp 80, 8000-8080"),
            // One that is all makes it all.
            (json!({"dst_ports": [port(80, 80), port(0, 65535)]}), "tcp"),
            (json!({"src_ports": [port(1024, 2000)]}), "tcp 80 from 1024-2000"),
            (json!({"action_list": {"simple_action": "deny"}}), "no tcp 80"),
            (json!({"action_list": {"apply_service": ["a:b:firewall"]}}), "tcp 80 by way of firewall"),
            (json!({"protocol": 7, "dst_ports": 1, "action_list": null}), "all"),
        ] {
            assert_eq!(rule(&change).what, expected, "{change}");
        }
    }

    #[test]
    fn ends_are_networks() {
        let network = |name: &str| json!([{"virtual_network": name}]);
        let known = rule(&json!({}));
        assert_eq!((known.sources, known.targets), (vec![End::Named(ONE)], vec![End::Named(OTHER)]));
        let open = rule(&json!({"src_addresses": network("local"), "dst_addresses": network("any")}));
        assert_eq!((open.sources, open.targets), (vec![End::Open], vec![End::Open]));
        // One that nobody may see, and what is no network.
        let other = rule(&json!({"src_addresses": network("hidden"), "dst_addresses": [{"subnet": {}}]}));
        assert_eq!((other.sources, other.targets), (vec![], vec![]));
    }

    #[test]
    fn peers_are_at_the_other_end() {
        let peers = |change: &Value, of: Uuid| rule(change).peers_of(of).copied().collect::<Vec<_>>();
        assert_eq!(peers(&json!({}), ONE), [End::Named(OTHER)]);
        assert_eq!(peers(&json!({}), OTHER), [End::Named(ONE)]);
        assert_eq!(peers(&json!({}), Uuid::from_u128(3)), []);
        let local = json!({"src_addresses": [{"virtual_network": "local"}]});
        assert_eq!(peers(&local, Uuid::from_u128(3)), [End::Named(OTHER)]);
    }

    #[test]
    fn directions_are_arrows() {
        let one_way = rule(&json!({"direction": ">"}));
        assert_eq!((one_way.told(true), one_way.told(false)), ("→ tcp 80".to_owned(), "← tcp 80".to_owned()));
        let both = rule(&json!({}));
        assert_eq!((both.told(true), both.told(false)), ("↔ tcp 80".to_owned(), "↔ tcp 80".to_owned()));
    }
}
