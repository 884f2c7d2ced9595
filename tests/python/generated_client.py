"""A network's life through the client that openapi-python-client makes of the document.

    generated_client.py URL

The package `cirrus_client` has to be found.
"""
import sys

from cirrus_client import Client
from cirrus_client.api.virtual_network import (
    virtual_network_create,
    virtual_network_delete,
    virtual_network_read,
    virtual_network_update,
    virtual_networks_list,
)
from cirrus_client.models import (
    Count,
    IpamSubnetType,
    SubnetType,
    VirtualNetwork,
    VirtualNetworkCreate,
    VirtualNetworkCreateBody,
    VirtualNetworkCreateParentType,
    VirtualNetworkUpdate,
    VirtualNetworkUpdateBody,
    VnSubnetsType,
    VnSubnetsTypeLink,
)

NAME = ["default-domain", "default-project", "through-the-python-client"]
IPAM = ["default-domain", "default-project", "default-network-ipam"]

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)

subnets = VnSubnetsType(ipam_subnets=[IpamSubnetType(subnet=SubnetType(ip_prefix="10.7.0.0", ip_prefix_len=24))])
network = VirtualNetworkCreate(
    fq_name=NAME,
    parent_type=VirtualNetworkCreateParentType.PROJECT,
    network_ipam_refs=[VnSubnetsTypeLink(to=IPAM, attr=subnets)],
)
body = VirtualNetworkCreateBody(virtual_network=network)
created = virtual_network_create.sync(client=client, body=body).virtual_network
assert created.fq_name == NAME, created

again = virtual_network_create.sync_detailed(client=client, body=body)
assert again.status_code == 409 and isinstance(again.parsed, str) and str(created.uuid) in again.parsed, again

listed = virtual_networks_list.sync(client=client, obj_uuids=str(created.uuid), fields="display_name").virtual_networks
assert [type(item) for item in listed] == [VirtualNetwork] and listed[0].display_name == NAME[-1], listed
count = virtual_networks_list.sync(client=client, count=True).virtual_networks
assert isinstance(count, Count) and count.count > 1, count

read = virtual_network_read.sync(created.uuid, client=client).virtual_network
(link,) = read.network_ipam_refs
(subnet,) = link.attr.ipam_subnets
assert subnet.subnet.ip_prefix == "10.7.0.0" and subnet.default_gateway == "10.7.0.254", subnet

change = VirtualNetworkUpdateBody(virtual_network=VirtualNetworkUpdate(display_name="Changed"))
updated = virtual_network_update.sync(created.uuid, client=client, body=change).virtual_network
assert updated.uuid == created.uuid, updated
assert virtual_network_read.sync(created.uuid, client=client).virtual_network.display_name == "Changed"

assert virtual_network_delete.sync_detailed(created.uuid, client=client).status_code == 200
assert virtual_network_read.sync_detailed(created.uuid, client=client).status_code == 404
