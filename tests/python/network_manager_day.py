"""A day of a Kubernetes network manager: a four-tier application comes, grows, shrinks, changes and goes.

    network_manager_day.py URL [TOKEN PROJECT]

With a token it is a member of a project like others, which is that of the namespace.

Plays through the Python client library what kube-network-manager does for a load generator, a frontend, a redis-master
and a redis-slave with fifty pods in the end, and by plain HTTP what its Go client sends and the Python library never
would. Every address has to be the one that was asked for or the next in the order of allocation, every answer has to
show what was done before, and at the end nothing may be left over: all objects of all types are as before, and every
address is free. Stops at the first thing that is wrong.
"""
import counting  # first: it counts what the libraries ask
import http.client
import json
import sys
import uuid
from urllib.parse import urlparse

from vnc_api.vnc_api import *  # the way in which everybody imports it

from checks import refused, same

URL = sys.argv[1]
TOKEN, PROJECT = sys.argv[2:4] if len(sys.argv) > 2 else (None, None)
SERVER = urlparse(URL)
NAMESPACE = "k8petstore"
HIDE = "?exclude_back_refs=true&exclude_children=true"

# Tier: the services that its pods use, beside `default`.
USES = {
    "redis-master": [],
    "redis-slave": ["redis-master"],
    "frontend": ["redis-master", "redis-slave"],
    "load-generator": ["frontend"],
}
# Services: ClusterIP, and the address outside.
SERVICES = {
    "redis-master": ("10.254.10.11", None),
    "redis-slave": ("10.254.10.12", None),
    "frontend": ("10.254.10.13", "192.0.2.100"),
}
FIRST_PODS = {"redis-master": 1, "redis-slave": 2, "frontend": 3, "load-generator": 2}
MOST_PODS = {"redis-master": 1, "redis-slave": 13, "frontend": 24, "load-generator": 12}
LAST_PODS = {"redis-master": 1, "redis-slave": 3, "frontend": 5, "load-generator": 2}

# Plain HTTP, as the Go client does it: one connection that is kept, and only 200 is a success.

connection = http.client.HTTPConnection(SERVER.netloc, timeout=60)


def answer(method, path, body=None):
    """The status and the body, as JSON where it is JSON."""
    path = path[len(URL):] if path.startswith(URL) else path
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if TOKEN:
        headers["X-Auth-Token"] = TOKEN
    connection.request(method, path, content, headers)
    response = connection.getresponse()
    text = response.read().decode()
    if response.getheader("Content-Type", "").startswith("application/json"):
        return response.status, json.loads(text)
    return response.status, text


def raw(method, path, body=None):
    status, content = answer(method, path, body)
    if status != 200:
        raise SystemExit("%s %s %r: wanted 200, got %s %r" % (method, path, body, status, content))
    return content


def put_without_change(kind, uuid, fq_name, **members):
    """What the Go client sends before it sends changed references: a PUT of the names, with nothing to change."""
    path = "%s/%s/%s" % (URL, kind, uuid)
    before = raw("GET", path)[kind]
    raw("PUT", path, {kind: dict(members, fq_name=fq_name, uuid=uuid)})
    after = raw("GET", path)[kind]
    for seen in before, after:
        del seen["id_perms"]["last_modified"]
    same("%s after a PUT without a change" % (fq_name,), after, before)


def reference(operation, kind, uuid, ref_kind, ref_uuid, ref_fq_name, attr=None):
    body = {"type": kind, "uuid": uuid, "ref-type": ref_kind, "ref-uuid": ref_uuid, "ref-fq-name": ref_fq_name,
            "operation": operation, "attr": attr}
    same("answer to a ref-update", raw("POST", "/ref-update", body), {"uuid": uuid})


def find(read, fq_name, **named):
    """F and G of the recordings: the id by the name, then the object; None when the name is not known."""
    try:
        return read(fq_name=fq_name, **named)
    except NoIdError:
        return None


def uuids(references):
    return sorted(item["uuid"] for item in references or [])


def new_project():
    """The uuid of the project of the namespace: whoever is a member of one has that."""
    return PROJECT or str(uuid.uuid4())


# What is there

def objects():
    """All objects of all types with everything but times, by href."""
    everything = {}
    for link in raw("GET", "/")["links"]:
        link = link["link"]
        if link["rel"] != "collection":
            continue
        listed = raw("GET", link["href"] + "?detail=true")
        [items] = listed.values()
        for item in items:
            [found] = item.values()
            found.get("id_perms", {}).pop("last_modified", None)
            everything[found["href"]] = found
    return everything


def same_objects(when, wanted):
    got = objects()
    for href in sorted(set(got) | set(wanted)):
        same("%s, %s" % (when, href), got.get(href), wanted.get(href))


def used(network):
    """How many addresses of the network's one subnet are in use, those of the network itself included."""
    subnet = network.get_network_ipam_refs()[0]["attr"].get_ipam_subnets()[0].subnet_uuid
    [count] = json.loads(vnc.virtual_network_subnet_ip_count(network, [subnet]))["ip_count_list"]
    return count


def same_next_address(network, wanted):
    """Takes an address as nobody in particular, and gives it back."""
    address = vnc.virtual_network_ip_alloc(network)
    same("next address of %s" % network.name, address, [wanted])
    vnc.virtual_network_ip_free(network, address)


class NetworkManager:
    """Keeps what Kubernetes would say: pods and services; asks the server for everything else."""

    def __init__(self):
        self.pods = {tier: [] for tier in USES}
        self.services = set()
        # Addresses of pods in the order in which they were given.
        self.addresses = {}

    # Start

    def start(self):
        self.cluster = vnc.project_read(fq_name=["default-domain", "default-project"])
        self.alloc = self.network(self.cluster, "addr-alloc", "10.0.0.0", 16)
        self.public = self.network(self.cluster, "Public", "192.0.2.0", 24)
        self.public_pool = self.pool(self.public)

    def network(self, project, name, prefix, length):
        """The network, created unless it is there."""
        found = find(vnc.virtual_network_read, project.get_fq_name() + [name])
        if found:
            return found
        project = vnc.project_read(fq_name=project.get_fq_name())
        ipam = vnc.network_ipam_read(fq_name=["default-domain", "default-project", "default-network-ipam"])
        made = VirtualNetwork(name, parent_obj=project)
        made.add_network_ipam(ipam, VnSubnetsType([IpamSubnetType(subnet=SubnetType(prefix, length))]))
        vnc.virtual_network_create(made)
        made = vnc.virtual_network_read(id=made.uuid)
        [subnet] = made.get_network_ipam_refs()[0]["attr"].get_ipam_subnets()
        same("gateway of " + name, subnet.get_default_gateway(),
             prefix[:-3] + "255.254" if length == 16 else prefix[:-1] + "254")
        return made

    def pool(self, network):
        name = network.get_fq_name() + [network.name]
        found = find(vnc.floating_ip_pool_read, name)
        if found:
            return found
        made = FloatingIpPool(network.name, network)
        vnc.floating_ip_pool_create(made)
        return made

    # Namespaces

    def namespace_added(self, uid):
        same("project of the namespace", find(vnc.project_read, ["default-domain", NAMESPACE]), None)
        project = Project(NAMESPACE, parent_obj=Domain())
        project.uuid = uid
        same("uuid of the project", vnc.project_create(project), uid)

    def project(self):
        return vnc.project_read(fq_name=["default-domain", NAMESPACE])

    def fq_name(self, *names):
        return ["default-domain", NAMESPACE] + list(names)

    def namespace_deleted(self):
        project = self.project()
        vnc.project_delete(id=project.uuid)

    # Pods

    def pod_added(self, tier):
        number = max([number for number, _ in self.pods[tier]], default=-1) + 1
        pod, uid = "%s-%d" % (tier, number), str(uuid.uuid4())
        project = self.project()
        refused("read of the machine before it is there", NoIdError, vnc.virtual_machine_read, id=uid)
        machine = self.machine(pod, uid, number)
        network = self.network(project, tier, "10.0.0.0", 16)
        interface = VirtualMachineInterface(pod, parent_obj=project)
        same("interface of the pod", find(vnc.virtual_machine_interface_read, interface.get_fq_name()), None)
        interface.add_virtual_machine(machine)
        interface.add_virtual_network(network)
        vnc.virtual_machine_interface_create(interface)
        interface = vnc.virtual_machine_interface_read(id=interface.uuid)
        digits = interface.uuid.replace("-", "")
        same("MAC address", interface.get_virtual_machine_interface_mac_addresses().get_mac_address()[0],
             ":".join(["02"] + [digits[at:at + 2] for at in range(0, 10, 2)]))
        self.addresses[pod] = self.address(pod, uid, interface, network)
        # Known from here on: a service that comes later takes the pod in.
        self.pods[tier].append((number, uid))
        for service in ["default"] + USES[tier]:
            self.connect(network, service, new=number == 0)
        if tier in self.services:
            self.take_in(tier, interface)

    def machine(self, pod, uid, number):
        """The first pod of a tier is made as release 1.2 makes it: below a project."""
        if number:
            made = VirtualMachine(pod)
            made.uuid = uid
            vnc.virtual_machine_create(made)
        else:
            made = raw("POST", "/virtual-machines", {"virtual-machine": {
                "fq_name": self.fq_name(pod), "parent_type": "project", "uuid": uid}})["virtual-machine"]
            project = self.project()
            same("machine below a project", made, {
                "name": pod, "fq_name": self.fq_name(pod), "uuid": uid, "href": "%s/virtual-machine/%s" % (URL, uid),
                "parent_type": "project", "parent_uuid": project.uuid,
                "parent_href": "%s/project/%s" % (URL, project.uuid)})
        read = raw("GET", "/virtual-machine/%s%s" % (uid, HIDE))["virtual-machine"]
        same("name of the machine", (read["fq_name"], read.get("parent_type")),
             ([pod], None) if number else (self.fq_name(pod), "project"))
        machine = vnc.virtual_machine_read(id=uid)
        # The library knows of no machine below a project, and would make the name itself.
        machine.fq_name = read["fq_name"]
        return machine

    def address(self, pod, uid, interface, network):
        """An address that is free in the whole cluster, and then the same one in the network of the tier."""
        name = "%s_%s" % (NAMESPACE, pod)
        same("address of the pod", find(vnc.instance_ip_read, [name]), None)
        same("address of the machine", find(vnc.instance_ip_read, [uid]), None)
        found = InstanceIp(uid)
        found.add_virtual_network(self.alloc)
        vnc.instance_ip_create(found)
        address = vnc.instance_ip_read(id=found.uuid).get_instance_ip_address()
        # The highest that no pod has: below the gateway and the service address, in the order of allocation.
        taken = set(self.addresses.values())
        same("address of %s" % pod, address, next(
            "10.0.255.%d" % last for last in range(252, 0, -1) if "10.0.255.%d" % last not in taken))
        own = InstanceIp(name, instance_ip_address=address, instance_ip_mode="active-active")
        own.add_virtual_machine_interface(interface)
        own.add_virtual_network(network)
        vnc.instance_ip_create(own)
        read = vnc.instance_ip_read(id=own.uuid)
        same("the same address in the tier", read.get_instance_ip_address(), address)
        same("interface of the address", uuids(read.get_virtual_machine_interface_refs()), [interface.uuid])
        return address

    def connect(self, network, service, new):
        """Connects a tier to a service that it uses: with its policy, and a rule in it once the service is there."""
        name = self.fq_name("__svc_" + service)
        policy = find(vnc.network_policy_read, name)
        if policy is None:
            policy = NetworkPolicy(name[-1], parent_obj=self.project())
            vnc.network_policy_create(policy)
        sequence = {"sequence": {"major": 10}}
        read = raw("GET", "/virtual-network/%s?fields=network_policy_refs" % network.uuid)["virtual-network"]
        linked = policy.uuid in uuids(read.get("network_policy_refs"))
        same("%s is linked to %s" % (network.name, service), linked, not new)
        if new:
            put_without_change("virtual-network", network.uuid, network.get_fq_name())
        # A new tier gets the reference; a known one gets it once more: the Go client does that after each create.
        reference("ADD", "virtual-network", network.uuid, "network-policy", policy.uuid, name, sequence)
        read = raw("GET", "/virtual-network/%s?fields=network_policy_refs" % network.uuid)["virtual-network"]
        [item] = [item for item in read["network_policy_refs"] if item["uuid"] == policy.uuid]
        same("order of the policy", item["attr"], sequence)
        if find(vnc.virtual_network_read, self.fq_name("service-" + service)):
            self.add_rule(policy.uuid, network.name, service)

    def rules_of(self, policy):
        """The tiers that a policy connects to its service."""
        read = vnc.network_policy_read(id=policy)
        entries = read.get_network_policy_entries()
        rules = (entries and entries.get_policy_rule()) or []
        return read, rules

    def add_rule(self, policy, tier, service):
        policy, rules = self.rules_of(policy)
        source, target = ":".join(self.fq_name(tier)), ":".join(self.fq_name("service-" + service))
        ends = [(rule.get_src_addresses()[0].get_virtual_network(), rule.get_dst_addresses()[0].get_virtual_network())
                for rule in rules]
        same("targets of the rules", {end for _, end in ends} - {target}, set())
        if (source, target) in ends:
            return
        rules.append(PolicyRuleType(
            direction="<>", protocol="any", action_list=ActionListType(simple_action="pass"),
            src_addresses=[AddressType(virtual_network=source)], src_ports=[PortType(-1, -1)],
            dst_addresses=[AddressType(virtual_network=target)], dst_ports=[PortType(-1, -1)]))
        policy.set_network_policy_entries(PolicyEntriesType(rules))
        vnc.network_policy_update(policy)

    def remove_rule(self, policy, tier):
        policy, rules = self.rules_of(policy)
        source = ":".join(self.fq_name(tier))
        kept = [rule for rule in rules if rule.get_src_addresses()[0].get_virtual_network() != source]
        if len(kept) != len(rules):
            policy.set_network_policy_entries(PolicyEntriesType(kept))
            vnc.network_policy_update(policy)

    def floating_names(self, service):
        """The names of a service's addresses: in the cluster, and outside where it has one."""
        name = "service-" + service
        names = [self.fq_name(name, name, service)]
        if SERVICES[service][1]:
            names.append(self.public.get_fq_name() + ["Public", "%s_%s" % (NAMESPACE, service)])
        return names

    def take_in(self, service, interface):
        """All interfaces of a service share its addresses."""
        for name in self.floating_names(service):
            floating = vnc.floating_ip_read(fq_name=name)
            read = vnc.virtual_machine_interface_read(fq_name=interface.get_fq_name())
            listed = raw("GET", "/floating-ip/%s?fields=virtual_machine_interface_refs" % floating.uuid)["floating-ip"]
            before = uuids(listed.get("virtual_machine_interface_refs"))
            put_without_change("floating-ip", floating.uuid, name,
                               floating_ip_address=floating.get_floating_ip_address())
            for _ in range(2):
                reference("ADD", "floating-ip", floating.uuid, "virtual-machine-interface", read.uuid,
                          read.get_fq_name())
            after = vnc.floating_ip_read(id=floating.uuid).get_virtual_machine_interface_refs()
            same("interfaces of %s" % name, uuids(after), sorted(before + [read.uuid]))

    def pod_deleted(self, tier):
        number, uid = self.pods[tier].pop()
        pod = "%s-%d" % (tier, number)
        for name in "%s_%s" % (NAMESPACE, pod), uid:
            vnc.instance_ip_delete(fq_name=[name])
        del self.addresses[pod]
        interface = vnc.virtual_machine_interface_read(fq_name=self.fq_name(pod))
        read = raw("GET", "/virtual-machine-interface/%s?fields=floating_ip_back_refs" % interface.uuid)
        back = read["virtual-machine-interface"].get("floating_ip_back_refs", [])
        same("addresses shared by the pod", sorted(item["to"] for item in back),
             sorted(self.floating_names(tier)) if tier in self.services else [])
        for item in back:
            floating = vnc.floating_ip_read(id=item["uuid"])
            if len(floating.get_virtual_machine_interface_refs()) > 1:
                put_without_change("floating-ip", floating.uuid, floating.get_fq_name())
                reference("DELETE", "floating-ip", floating.uuid, "virtual-machine-interface", interface.uuid,
                          interface.get_fq_name())
            else:
                # The last one goes with a PUT of an empty list.
                raw("PUT", "/floating-ip/%s" % floating.uuid, {"floating-ip": {
                    "fq_name": floating.get_fq_name(), "uuid": floating.uuid, "virtual_machine_interface_refs": []}})
        vnc.virtual_machine_interface_delete(id=interface.uuid)
        vnc.virtual_machine_delete(id=uid)
        network = vnc.virtual_network_read(fq_name=self.fq_name(tier))
        read = raw("GET", "/virtual-network/%s?fields=virtual_machine_interface_back_refs" % network.uuid)
        left = read["virtual-network"].get("virtual_machine_interface_back_refs", [])
        same("interfaces in %s" % tier, len(left), len(self.pods[tier]))
        if left:
            return
        vnc.virtual_network_delete(id=network.uuid)
        for service in ["default"] + USES[tier]:
            policy = vnc.network_policy_read(fq_name=self.fq_name("__svc_" + service))
            read = raw("GET", "/network-policy/%s?fields=virtual_network_back_refs" % policy.uuid)["network-policy"]
            if read.get("virtual_network_back_refs"):
                self.remove_rule(policy.uuid, tier)
            else:
                vnc.network_policy_delete(id=policy.uuid)

    # Services

    def service_added(self, service):
        cluster_address, outside = SERVICES[service]
        project = self.project()
        name = "service-" + service
        network = self.network(project, name, "10.254.0.0", 16)
        pool = self.pool(network)
        policy = find(vnc.network_policy_read, self.fq_name("__svc_" + service))
        if policy is None:
            policy = NetworkPolicy("__svc_" + service, parent_obj=project)
            vnc.network_policy_create(policy)
        read = raw("GET", "/network-policy/%s?fields=virtual_network_back_refs" % policy.uuid)["network-policy"]
        users = sorted(tier for tier in USES if service in USES[tier] and self.pods[tier])
        same("users of " + service, sorted(item["to"][-1] for item in read.get("virtual_network_back_refs", [])), users)
        for user in users:
            self.add_rule(policy.uuid, user, service)
        put_without_change("virtual-network", network.uuid, network.get_fq_name())
        reference("ADD", "virtual-network", network.uuid, "network-policy", policy.uuid, policy.get_fq_name(),
                  {"sequence": {"major": 10}})
        for at, address in enumerate(filter(None, [cluster_address, outside])):
            fq_name = self.floating_names(service)[at]
            same("address of the service", find(vnc.floating_ip_read, fq_name), None)
            floating = FloatingIp(fq_name[-1], self.public_pool if at else pool, floating_ip_address=address)
            floating.add_project(self.cluster if at else project)
            vnc.floating_ip_create(floating)
            # What the Go client repeats after a create: the address, and the references.
            put_without_change("floating-ip", floating.uuid, fq_name, floating_ip_address=address)
            owner = self.cluster if at else project
            reference("ADD", "floating-ip", floating.uuid, "project", owner.uuid, owner.get_fq_name())
            same("address of " + service, vnc.floating_ip_read(id=floating.uuid).get_floating_ip_address(), address)
        self.services.add(service)
        for number, _ in self.pods[service]:
            pod = self.fq_name("%s-%d" % (service, number))
            self.take_in(service, vnc.virtual_machine_interface_read(fq_name=pod))

    def service_updated(self, service, address):
        """Kubernetes gave the service another ClusterIP."""
        fq_name = self.floating_names(service)[0]
        floating = vnc.floating_ip_read(fq_name=fq_name)
        old, interfaces = floating.get_floating_ip_address(), uuids(floating.get_virtual_machine_interface_refs())
        floating.set_floating_ip_address(address)
        vnc.floating_ip_update(floating)
        read = vnc.floating_ip_read(id=floating.uuid)
        same("changed address", read.get_floating_ip_address(), address)
        same("its interfaces", uuids(read.get_virtual_machine_interface_refs()), interfaces)
        same("pods behind it", len(interfaces), len(self.pods[service]))
        # The new address is taken, and the old one is free.
        pool = vnc.floating_ip_pool_read(fq_name=fq_name[:-1])
        other = FloatingIp("other", pool, floating_ip_address=address)
        same("a taken address", refused("a taken address", RefsExistError, vnc.floating_ip_create, other),
             "IP address already in use")
        other = FloatingIp("other", pool, floating_ip_address=old)
        vnc.floating_ip_create(other)
        vnc.floating_ip_delete(id=other.uuid)
        SERVICES[service] = (address, SERVICES[service][1])

    def service_deleted(self, service):
        self.services.remove(service)
        network = vnc.virtual_network_read(fq_name=self.fq_name("service-" + service))
        for name in self.floating_names(service):
            vnc.floating_ip_delete(id=vnc.floating_ip_read(fq_name=name).uuid)
        pool = vnc.floating_ip_pool_read(fq_name=network.get_fq_name() + [network.name])
        read = raw("GET", "/floating-ip-pool/%s?fields=floating_ips" % pool.uuid)["floating-ip-pool"]
        same("addresses left in the pool", read.get("floating_ips", []), [])
        raw("PUT", "/virtual-network/%s" % network.uuid, {"virtual-network": {
            "fq_name": network.get_fq_name(), "uuid": network.uuid, "network_policy_refs": []}})
        vnc.floating_ip_pool_delete(id=pool.uuid)
        same("addresses in use by nobody", used(network), 3)
        vnc.virtual_network_delete(id=network.uuid)
        policy = vnc.network_policy_read(fq_name=self.fq_name("__svc_" + service))
        read = raw("GET", "/network-policy/%s?fields=virtual_network_back_refs" % policy.uuid)["network-policy"]
        if read.get("virtual_network_back_refs"):
            raw("PUT", "/network-policy/%s" % policy.uuid, {"network-policy": {
                "fq_name": policy.get_fq_name(), "uuid": policy.uuid, "network_policy_entries": {}}})
            same("rules without the service", self.rules_of(policy.uuid)[1], [])
        else:
            vnc.network_policy_delete(id=policy.uuid)

    # Looking at everything

    def check(self):
        """The consistency check: everything there is fits what Kubernetes says."""
        machines = {item["uuid"]: item["fq_name"] for item in raw("GET", "/virtual-machines")["virtual-machines"]}
        pods = {"%s-%d" % (tier, number): uid for tier in USES for number, uid in self.pods[tier]}
        same("machines", sorted(machines), sorted(pods.values()))
        for uid, fq_name in machines.items():
            read = raw("GET", "/virtual-machine/%s%s" % (uid, HIDE))["virtual-machine"]
            same("name of the machine", read["fq_name"], fq_name)
        listed = raw("GET", "/virtual-machine-interfaces")["virtual-machine-interfaces"]
        same("interfaces", sorted(item["fq_name"] for item in listed), sorted(self.fq_name(pod) for pod in pods))
        for item in listed:
            read = raw("GET", item["href"] + "?fields=floating_ip_back_refs")["virtual-machine-interface"]
            tier = item["fq_name"][-1].rsplit("-", 1)[0]
            same("addresses shared by %s" % item["fq_name"],
                 sorted(back["to"] for back in read.get("floating_ip_back_refs", [])),
                 sorted(self.floating_names(tier)) if tier in self.services else [])
        same("addresses in use", sorted(self.addresses.values()), sorted(
            item["instance-ip"]["instance_ip_address"] for item in raw("GET", "/instance-ips?detail=true")["instance-ips"]
            if item["instance-ip"]["fq_name"][0].startswith(NAMESPACE + "_")))
        same("addresses used of addr-alloc", used(self.alloc), 3 + len(pods))
        networks = raw("GET", "/virtual-networks?parent_id=%s" % self.project().uuid)["virtual-networks"]
        same("networks", sorted(item["fq_name"][-1] for item in networks), sorted(
            [tier for tier in USES if self.pods[tier]] + ["service-" + service for service in self.services]))
        for item in networks:
            read = raw("GET", item["href"] + "?fields=network_policy_refs")["virtual-network"]
            name = item["fq_name"][-1]
            wanted = [name[len("service-"):]] if name.startswith("service-") else ["default"] + USES[name]
            same("policies of " + name, sorted(policy["to"][-1] for policy in read["network_policy_refs"]),
                 sorted("__svc_" + service for service in wanted))
        for service in self.services:
            _, rules = self.rules_of(vnc.network_policy_read(fq_name=self.fq_name("__svc_" + service)).uuid)
            same("tiers that may use " + service,
                 sorted(rule.get_src_addresses()[0].get_virtual_network() for rule in rules),
                 sorted(":".join(self.fq_name(tier)) for tier in USES if self.pods[tier] and service in USES[tier]))

    def scale(self, wanted):
        """To so many pods, a pod of each tier in turn, as replication controllers do it."""
        while any(len(self.pods[tier]) != wanted[tier] for tier in USES):
            for tier in USES:
                if len(self.pods[tier]) < wanted[tier]:
                    self.pod_added(tier)
                elif len(self.pods[tier]) > wanted[tier]:
                    self.pod_deleted(tier)


if TOKEN:
    vnc = VncApi(api_server_host=SERVER.hostname, api_server_port=SERVER.port, auth_type="keystone", auth_token=TOKEN)
else:
    vnc = VncApi(api_server_host=SERVER.hostname, api_server_port=SERVER.port, auth_type="noauth")
empty = objects()
manager = NetworkManager()
manager.start()
same_next_address(manager.alloc, "10.0.255.252")
before = objects()

# The odd requests of the Go client that are about no pod

listed = raw("GET", "/virtual-networks?detail=true&parent_id=%s&fields=network_ipams&fields=network_policys"
             % manager.cluster.uuid)["virtual-networks"]
found = {item["virtual-network"]["name"]: item["virtual-network"] for item in listed}
for network in manager.alloc, manager.public:
    read = found[network.name]
    same("a list with fields that there are none of", (read["uuid"], read["fq_name"], read["href"]),
         (network.uuid, network.get_fq_name(), "%s/virtual-network/%s" % (URL, network.uuid)))
listed = raw("GET", "/virtual-networks?detail=true&fields=floating_ip_pools&fields=network_ipam_refs")
[read] = [item["virtual-network"] for item in listed["virtual-networks"]
          if item["virtual-network"]["uuid"] == manager.public.uuid]
same("both of two repeated fields", (uuids(read.get("floating_ip_pools")), len(read.get("network_ipam_refs", []))),
     ([manager.public_pool.uuid], 1))
status, text = answer("GET", "/virtual-machine/%s%s" % (uuid.uuid4(), HIDE))
same("status of a machine that is not there", status, 404)
refusal = answer("POST", "/virtual-machines", {"virtual-machine": {
    "fq_name": ["default-domain", NAMESPACE, "too-early"], "parent_type": "project"}})
same("a machine below a project that is not there", refusal,
     (400, "Invalid parent type: project. Allowed types: ['config-root']"))
refusal = answer("POST", "/virtual-machines", {"virtual-machine": {
    "fq_name": ["default-domain", "too-early"], "parent_type": "domain"}})
same("a machine below a domain", refusal, (400, "Invalid parent type: domain. Allowed types: ['config-root']"))
same_objects("after what was refused", before)
manager.namespace_added(new_project())
machine = manager.machine("alone", str(uuid.uuid4()), 0)
text = refused("delete of a project with a machine", RefsExistError, manager.namespace_deleted)
same("text of it", text, "Delete when children still present: ['%s/virtual-machine/%s']" % (URL, machine.uuid))
vnc.virtual_machine_delete(id=machine.uuid)
manager.namespace_deleted()
same_objects("after a machine below a project", before)

# The application comes: some services before their pods, some after them, and one before the tier that uses it

manager.namespace_added(new_project())
manager.service_added("redis-slave")
manager.scale(FIRST_PODS)
manager.check()
manager.service_added("redis-master")
manager.service_added("frontend")
manager.check()
refused("delete of the project with pods", RefsExistError, manager.namespace_deleted)

# It grows to fifty pods, changes, and shrinks; addresses that were given back are given again

manager.scale(MOST_PODS)
same("pods", sum(len(pods) for pods in manager.pods.values()), 50)
manager.check()
manager.service_updated("frontend", "10.254.77.7")
manager.service_updated("redis-master", "10.254.10.12")
manager.check()
manager.scale(LAST_PODS)
manager.check()
manager.scale(dict(LAST_PODS, frontend=8))
manager.check()

# It goes: a service before its pods, the others after them

manager.service_deleted("redis-slave")
manager.check()
manager.scale(dict.fromkeys(USES, 0))
manager.check()
for service in sorted(manager.services):
    manager.service_deleted(service)
manager.namespace_deleted()

# Nothing is left over

same_objects("after the application", before)
for network, first in (manager.alloc, "10.0.255.252"), (manager.public, "192.0.2.252"):
    same("addresses of %s in use" % network.name, used(network), 3)
    same_next_address(network, first)
vnc.floating_ip_pool_delete(id=manager.public_pool.uuid)
for network in manager.public, manager.alloc:
    vnc.virtual_network_delete(id=network.uuid)
same_objects("after the network manager", empty)
print("the day of the network manager went well")
print(json.dumps(counting.counted()))
