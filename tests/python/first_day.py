"""The first day of a cloud, seen through the Python client library that existing tools use.

    first_day.py URL

Makes networks, addresses, an interface, a floating IP, a policy and static routes, reads them back in every way that
the library offers, changes them, sees deletes refused, and cleans up. Stops at the first thing that is wrong.
"""
import ast
import sys
import uuid
from urllib.parse import urlparse

from vnc_api.vnc_api import *  # the way in which everybody imports it

from checks import refused, same

URL = sys.argv[1]
SERVER = urlparse(URL)
NUMBER = uuid.uuid4().hex[:8]


def links(text, begin):
    """The links in the text of a refused delete: tools read them as a Python list."""
    same("begin of " + repr(text), text[:len(begin)], begin)
    listed = ast.literal_eval(text[len(begin):])
    same("kind of the links", type(listed), list)
    return listed


def href(obj):
    return "%s/%s/%s" % (URL, obj.get_type(), obj.uuid)


def network_with_subnet(name, prefix):
    network = VirtualNetwork(name, parent_obj=project)
    network.add_network_ipam(ipam, VnSubnetsType([IpamSubnetType(subnet=SubnetType(prefix, 24))]))
    vnc.virtual_network_create(network)
    return network


def uuids(listed, kind):
    return sorted(item["uuid"] for item in listed[kind + "s"])


vnc = VncApi(api_server_host=SERVER.hostname, api_server_port=SERVER.port, auth_type="noauth")

# A project, and networks in it

project = Project("first-day-" + NUMBER, parent_obj=Domain())
vnc.project_create(project)
same("the library's uuid of the project", vnc.fq_name_to_id("project", project.get_fq_name()), project.uuid)
ipam = vnc.network_ipam_read(fq_name=["default-domain", "default-project", "default-network-ipam"])

blue = network_with_subnet("blue", "10.20.30.0")
red = network_with_subnet("red", "10.20.31.0")
by_name = vnc.virtual_network_read(fq_name=blue.get_fq_name())
by_id = vnc.virtual_network_read(id=blue.uuid)
for found in by_name, by_id:
    same("uuid of the network", found.uuid, blue.uuid)
    same("name of the network", found.get_fq_name(), ["default-domain", project.name, "blue"])
    same("parent of the network", found.parent_uuid, project.uuid)
    [reference] = found.get_network_ipam_refs()
    same("IPAM of the network", reference["to"], ipam.get_fq_name())
    [subnet] = reference["attr"].get_ipam_subnets()
    same("prefix", (subnet.subnet.get_ip_prefix(), subnet.subnet.get_ip_prefix_len()), ("10.20.30.0", 24))
    same("gateway", subnet.get_default_gateway(), "10.20.30.254")
    same("service address", subnet.get_dns_server_address(), "10.20.30.253")
same("name of an id", vnc.id_to_fq_name(blue.uuid), blue.get_fq_name())
same("type of an id", vnc.id_to_fq_name_type(blue.uuid), (blue.get_fq_name(), "virtual-network"))
same("routing instance", [instance["to"][-1] for instance in
                          vnc.virtual_network_read(id=blue.uuid, fields=["routing_instances"]).routing_instances],
     ["blue"])
text = refused("the same name again", RefsExistError, vnc.virtual_network_create,
               VirtualNetwork("blue", parent_obj=project))
same("text of it", text, "%r already exists with uuid: %s" % (blue.get_fq_name(), blue.uuid))

# An interface and addresses

interface = VirtualMachineInterface("port", parent_obj=project)
interface.set_virtual_network(blue)
vnc.virtual_machine_interface_create(interface)
read = vnc.virtual_machine_interface_read(id=interface.uuid)
digits = interface.uuid.replace("-", "")
same("MAC address", read.get_virtual_machine_interface_mac_addresses().get_mac_address(),
     [":".join(["02"] + [digits[at:at + 2] for at in range(0, 10, 2)])])

addresses = []
for last in "252", "251", "250", "249":
    address = InstanceIp("address-%s-%s" % (last, NUMBER))
    address.set_virtual_network(blue)
    address.set_virtual_machine_interface(interface)
    vnc.instance_ip_create(address)
    addresses.append(address)
    same("address", vnc.instance_ip_read(id=address.uuid).get_instance_ip_address(), "10.20.30." + last)
taken = InstanceIp("taken-" + NUMBER, instance_ip_address="10.20.30.251")
taken.set_virtual_network(blue)
refused("a taken address", RefsExistError, vnc.instance_ip_create, taken)

pool = FloatingIpPool("pool", red)
vnc.floating_ip_pool_create(pool)
floating = FloatingIp("floating", pool)
floating.set_project(project)
floating.set_virtual_machine_interface(interface)
vnc.floating_ip_create(floating)
read = vnc.floating_ip_read(id=floating.uuid)
same("floating address", read.get_floating_ip_address(), "10.20.31.252")
same("interface of the floating address", [reference["uuid"] for reference in read.get_virtual_machine_interface_refs()],
     [interface.uuid])
read = vnc.virtual_machine_interface_read(id=interface.uuid, fields=["floating_ip_back_refs", "instance_ip_back_refs"])
same("floating address of the interface", [back["uuid"] for back in read.get_floating_ip_back_refs()], [floating.uuid])
same("addresses of the interface", sorted(back["uuid"] for back in read.get_instance_ip_back_refs()),
     sorted(address.uuid for address in addresses))

# A policy between the networks, and static routes on the interface

policy = NetworkPolicy("between", parent_obj=project)
policy.set_network_policy_entries(PolicyEntriesType([PolicyRuleType(
    direction="<>", protocol="any", action_list=ActionListType(simple_action="pass"),
    src_addresses=[AddressType(virtual_network=blue.get_fq_name_str())], src_ports=[PortType(-1, -1)],
    dst_addresses=[AddressType(virtual_network=red.get_fq_name_str())], dst_ports=[PortType(-1, -1)])]))
vnc.network_policy_create(policy)
for network in blue, red:
    network.add_network_policy(policy, VirtualNetworkPolicyType(sequence=SequenceType(0, 0)))
    vnc.virtual_network_update(network)
read = vnc.network_policy_read(id=policy.uuid, fields=["virtual_network_back_refs", "network_policy_entries"])
same("networks of the policy", sorted(back["uuid"] for back in read.get_virtual_network_back_refs()),
     sorted([blue.uuid, red.uuid]))
[rule] = read.get_network_policy_entries().get_policy_rule()
same("ends of the rule", [rule.get_src_addresses()[0].get_virtual_network(),
                          rule.get_dst_addresses()[0].get_virtual_network()],
     [blue.get_fq_name_str(), red.get_fq_name_str()])

table = InterfaceRouteTable("static", parent_obj=project, interface_route_table_routes=RouteTableType(
    [RouteType(prefix="10.99.0.0/16"), RouteType(prefix="10.98.0.0/16")]))
vnc.interface_route_table_create(table)
interface.add_interface_route_table(table)
vnc.virtual_machine_interface_update(interface)
read = vnc.interface_route_table_read(id=table.uuid, fields=["interface_route_table_routes",
                                                             "virtual_machine_interface_back_refs"])
same("routes", [route.get_prefix() for route in read.get_interface_route_table_routes().get_route()],
     ["10.99.0.0/16", "10.98.0.0/16"])
same("interface with the routes", [back["uuid"] for back in read.get_virtual_machine_interface_back_refs()],
     [interface.uuid])

# Lists

both = sorted([blue.uuid, red.uuid])
same("list by parent id", uuids(vnc.virtual_networks_list(parent_id=project.uuid), "virtual-network"), both)
same("list by parent name", uuids(vnc.virtual_networks_list(parent_fq_name=project.get_fq_name()), "virtual-network"),
     both)
same("count", vnc.virtual_networks_list(parent_id=project.uuid, count=True), {"virtual-networks": {"count": 2}})
same("list with a filter", uuids(vnc.virtual_networks_list(parent_id=project.uuid, filters={"display_name": "red"}),
                                 "virtual-network"), [red.uuid])
same("filter that nothing matches", vnc.virtual_networks_list(filters={"display_name": "green-" + NUMBER}),
     {"virtual-networks": []})
detailed = vnc.virtual_networks_list(parent_id=project.uuid, detail=True, fields=["floating_ip_pools"])
same("classes of a detailed list", {type(network) for network in detailed}, {VirtualNetwork})
same("children in a detailed list",
     {network.name: [child["uuid"] for child in network.get_floating_ip_pools() or []] for network in detailed},
     {"blue": [], "red": [pool.uuid]})
same("list by back reference", uuids(vnc.virtual_networks_list(back_ref_id=policy.uuid), "virtual-network"), both)
many = [str(uuid.uuid4()) for _ in range(40)] + [address.uuid for address in addresses]
same("list by more ids than fit into an address", uuids(vnc.instance_ips_list(obj_uuids=many), "instance-ip"),
     sorted(address.uuid for address in addresses))

# Changes

blue.set_display_name("Blue \u00fc")
vnc.virtual_network_update(blue)
same("changed name to show", vnc.virtual_network_read(id=blue.uuid).get_display_name(), "Blue \u00fc")
interface.add_annotations(KeyValuePair("colour", "blue"))
vnc.virtual_machine_interface_update(interface)
pairs = vnc.virtual_machine_interface_read(id=interface.uuid).get_annotations().get_key_value_pair()
same("annotations", [(pair.get_key(), pair.get_value()) for pair in pairs], [("colour", "blue")])
table.set_interface_route_table_routes(RouteTableType([RouteType(prefix="10.98.0.0/16")]))
vnc.interface_route_table_update(table)
read = vnc.interface_route_table_read(id=table.uuid)
same("changed routes", [route.get_prefix() for route in read.get_interface_route_table_routes().get_route()],
     ["10.98.0.0/16"])
refused("a reference to what is not there", NoIdError, vnc.ref_update, "virtual-network", blue.uuid, "network-policy",
        str(uuid.uuid4()), None, "ADD")
vnc.kv_store("first-day-" + NUMBER, "value")
same("key and value", vnc.kv_retrieve("first-day-" + NUMBER), "value")
vnc.kv_delete("first-day-" + NUMBER)
refused("a deleted key", NoIdError, vnc.kv_retrieve, "first-day-" + NUMBER)

# Deletes that are refused, each with the exact text

text = refused("delete of the routes", RefsExistError, vnc.interface_route_table_delete, id=table.uuid)
same("text of it", text, "Delete when resource still referred: ['%s']" % href(interface))
text = refused("delete of the policy", RefsExistError, vnc.network_policy_delete, id=policy.uuid)
same("links in it", sorted(links(text, "Delete when resource still referred: ")), sorted([href(blue), href(red)]))
text = refused("delete of the network with a pool", RefsExistError, vnc.virtual_network_delete, id=red.uuid)
same("text of it", text, "Delete when children still present: ['%s']" % href(pool))
text = refused("delete of the pool", RefsExistError, vnc.floating_ip_pool_delete, id=pool.uuid)
same("text of it", text, "Delete when children still present: ['%s']" % href(floating))
refused("delete of the project", RefsExistError, vnc.project_delete, id=project.uuid)

# Everything goes again

interface.del_interface_route_table(table)
vnc.virtual_machine_interface_update(interface)
vnc.interface_route_table_delete(id=table.uuid)
for network in blue, red:
    network.del_network_policy(policy)
    vnc.virtual_network_update(network)
vnc.network_policy_delete(fq_name=policy.get_fq_name())
vnc.floating_ip_delete(id=floating.uuid)
vnc.floating_ip_pool_delete(id=pool.uuid)
for address in addresses:
    vnc.instance_ip_delete(id=address.uuid)
vnc.virtual_machine_interface_delete(id=interface.uuid)
vnc.virtual_network_delete(fq_name=blue.get_fq_name())
vnc.virtual_network_delete(id=red.uuid)
refused("read of a deleted network", NoIdError, vnc.virtual_network_read, id=blue.uuid)
same("what is left", vnc.virtual_networks_list(parent_id=project.uuid), {"virtual-networks": []})
vnc.project_delete(id=project.uuid)
refused("read of the deleted project", NoIdError, vnc.project_read, fq_name=project.get_fq_name())
print("the first day went well")
