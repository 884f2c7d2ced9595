// What a network manager makes for an application of four tiers: a network for each tier and for each service, an interface with an
// address for each pod, floating ips that all pods of a service share, a policy for each service, and static routes where machines
// lead elsewhere; and a second project beside it.
import { api } from "./browser.js";

const SHOP = ["default-domain", "petstore"];
const TEAM = ["default-domain", "billing"];
const CLUSTER = ["default-domain", "default-project"];
const IPAM = ["default-domain", "default-project", "default-network-ipam"];

/** Tier: subnet, pods, and what its pods use: services, with the ports that they answer at. */
const TIERS = {
    "load-generator": { subnet: "10.1.4.0/28", pods: 10, uses: { frontend: [80] } },
    frontend: { subnet: "10.1.1.0/24", pods: 24, uses: { "redis-master": [6379], "redis-slave": [6379] } },
    "redis-slave": { subnet: "10.1.3.0/26", pods: 13, uses: { "redis-master": [6379] } },
    "redis-master": { subnet: "10.1.2.0/28", pods: 1, uses: {} },
};
/** Service: its address in the cluster, and the one outside. */
const SERVICES = { frontend: ["10.254.1.13", "192.0.2.100"], "redis-master": ["10.254.2.11"], "redis-slave": ["10.254.3.12"] };

/** Makes all of it. `who` is named as the one that did it, as far as the server believes that. */
export async function make(base, who = "network-manager") {
    const as = (user) => ({ "X-User": user });
    const send = (method, path, body, user = who) => api(base, method, path, body, as(user));
    const post = async (type, object, user = who) => (await send("POST", `/${type}s`, { [type]: object }, user))[type].uuid;
    const below = (parent, type, name) => ({ fq_name: [...parent, name], parent_type: type });
    const refs = (...names) => names.map((to) => ({ to }));

    const network = (place, name, prefix, more = {}) => {
        const [ip_prefix, length] = prefix.split("/");
        const subnets = { ipam_subnets: [{ subnet: { ip_prefix, ip_prefix_len: Number(length) } }] };
        return post("virtual-network", { ...below(place, "project", name), network_ipam_refs: [{ to: IPAM, attr: subnets }], ...more });
    };
    const pool = (place, name) => post("floating-ip-pool", below([...place, name], "virtual-network", name));
    const rule = (from, to, ports, direction = "<>") => ({
        direction, protocol: ports ? "tcp" : "any", action_list: { simple_action: "pass" },
        src_addresses: [{ virtual_network: from.join(":") }], src_ports: [{ start_port: -1, end_port: -1 }],
        dst_addresses: [{ virtual_network: to.join(":") }],
        dst_ports: (ports ?? [-1]).map((port) => ({ start_port: port, end_port: port })),
    });
    const attach = (uuid, policy, user) => send("POST", "/ref-update", {
        type: "virtual-network", uuid, "ref-type": "network-policy", "ref-fq-name": policy, operation: "ADD",
        attr: { sequence: { major: 10, minor: 0 } },
    }, user);
    const interface_ = async (place, name, network, of = {}, user = who) => {
        const uuid = await post("virtual-machine-interface", {
            ...below(place, "project", name), virtual_network_refs: refs(network), ...of,
        }, user);
        await post("instance-ip", {
            fq_name: [`${place.at(-1)}_${name}`], virtual_network_refs: refs(network), virtual_machine_interface_refs: [{ uuid }],
        }, user);
        return uuid;
    };
    const pod = async (place, name, network, user) => {
        await post("virtual-machine", { fq_name: [`${name}-pod`] }, user);
        return interface_(place, name, network, { virtual_machine_refs: refs([`${name}-pod`]) }, user);
    };

    await post("project", { fq_name: SHOP, parent_type: "domain" });
    await network(CLUSTER, "Public", "192.0.2.0/24", { router_external: true });
    await pool(CLUSTER, "Public");
    const networks = {};
    const interfaces = {};
    for (const [tier, { subnet, pods }] of Object.entries(TIERS)) {
        networks[tier] = await network(SHOP, tier, subnet);
        interfaces[tier] = [];
        for (let index = 0; index < pods; index += 1) interfaces[tier].push(await pod(SHOP, `${tier}-${index}`, [...SHOP, tier]));
    }
    for (const [service, [inside, outside]] of Object.entries(SERVICES)) {
        const name = `service-${service}`;
        networks[name] = await network(SHOP, name, `${inside.replace(/\d+$/, "0")}/24`);
        await pool(SHOP, name);
        const shared = { virtual_machine_interface_refs: interfaces[service].map((uuid) => ({ uuid })), project_refs: refs(SHOP) };
        const floating = { ...below([...SHOP, name, name], "floating-ip-pool", service), floating_ip_address: inside };
        await post("floating-ip", { ...floating, ...shared });
        if (outside) {
            const other = below([...CLUSTER, "Public", "Public"], "floating-ip-pool", `petstore_${service}`);
            await post("floating-ip", { ...other, floating_ip_address: outside, ...shared });
        }
        // Its policy has a rule for each tier that uses it, which comes as the tier does.
        const policy = [...SHOP, `__svc_${service}`];
        const uuid = await post("network-policy", below(SHOP, "project", policy.at(-1)));
        const users = Object.entries(TIERS).filter(([, { uses }]) => uses[service]);
        const rules = [];
        for (const [tier, { uses }] of users) {
            rules.push(rule([...SHOP, tier], [...SHOP, name], uses[service]));
            await send("PUT", `/network-policy/${uuid}`, { "network-policy": { network_policy_entries: { policy_rule: rules } } });
            await attach(networks[tier], policy);
        }
        await attach(networks[name], policy);
    }
    // The way to a machine that is no pod: a static route on one interface.
    const table = below(SHOP, "project", "to-the-warehouse");
    const routes = ["198.51.100.0/24", "203.0.113.0/25"].map((prefix) => ({ prefix }));
    await post("interface-route-table", { ...table, interface_route_table_routes: { route: routes } });
    await send("PUT", `/virtual-machine-interface/${interfaces.frontend[0]}`, {
        "virtual-machine-interface": { interface_route_table_refs: refs(table.fq_name) },
    });

    // Another team, with a router, and with an address outside.
    await post("project", { fq_name: TEAM, parent_type: "domain" }, "ada");
    const ledger = await network(TEAM, "ledger", "10.2.0.0/24");
    await network(TEAM, "reports", "10.2.1.0/25");
    const ports = [];
    for (const [name, place] of [["router-ledger", "ledger"], ["router-reports", "reports"]]) {
        const owner = { virtual_machine_interface_device_owner: "network:router_interface" };
        ports.push(await interface_(TEAM, name, [...TEAM, place], owner, "ada"));
    }
    for (let index = 0; index < 5; index += 1) await pod(TEAM, `ledger-${index}`, [...TEAM, "ledger"], "ada");
    await post("logical-router", {
        ...below(TEAM, "project", "way-out"), virtual_machine_interface_refs: ports.map((uuid) => ({ uuid })),
        virtual_network_refs: [{ to: [...CLUSTER, "Public"], attr: null }],
    }, "ada");

    // Somebody looks after what is there.
    const [service] = [networks["service-frontend"]];
    const change = (uuid, fields, user) => send("PUT", `/virtual-network/${uuid}`, { "virtual-network": fields }, user);
    await change(service, { display_name: "Web shop, front door" }, "ada");
    await change(service, { mtu: 1450 }, "grace");
    return { networks, interfaces, shop: SHOP.join(":"), service, ledger };
}
