"""The Python client library with accounts of Keystone: it gets its tokens by itself.

    keystone_login.py SERVER_URL KEYSTONE_URL DOMAIN PASSWORD PROJECT_ID

`alice` is a member of `alice-proj`, `admin` an admin of `admin`. Stops at the first thing that is wrong.
"""
import sys
import uuid
from urllib.parse import urlparse

from vnc_api.vnc_api import *

from checks import refused, same

SERVER, KEYSTONE = urlparse(sys.argv[1]), urlparse(sys.argv[2])
DOMAIN, PASSWORD = sys.argv[3:5]
PROJECT = str(uuid.UUID(sys.argv[5]))


def client(user, tenant, password=PASSWORD):
    return VncApi(
        user, password, tenant, SERVER.hostname, SERVER.port, domain_name=DOMAIN, auth_type="keystone",
        auth_protocol=KEYSTONE.scheme, auth_host=KEYSTONE.hostname, auth_port=KEYSTONE.port,
        auth_url=KEYSTONE.path + "/auth/tokens")


alice = client("alice", "alice-proj")
# Nobody has made the project on this server: it is there because Keystone has it.
project = alice.project_read(id=PROJECT)
same("project", (project.fq_name, project.get_perms2().owner), (["default-domain", "alice-proj"], PROJECT.replace("-", "")))
network = VirtualNetwork("of-alice", parent_obj=project)
alice.virtual_network_create(network)
same("owner of her network", alice.virtual_network_read(id=network.uuid).get_perms2().owner, PROJECT.replace("-", ""))

admin = client("admin", "admin")
hidden = VirtualNetwork("of-admin")
admin.virtual_network_create(hidden)
same("what an admin sees", {item["uuid"] for item in admin.virtual_networks_list()["virtual-networks"]} >= {network.uuid, hidden.uuid}, True)
same("what a member sees", [item["uuid"] for item in alice.virtual_networks_list()["virtual-networks"] if item["fq_name"][-1].startswith("of-")], [network.uuid])
refused("network of another", PermissionDenied, alice.virtual_network_read, id=hidden.uuid)

# A token that is no good any more is replaced by itself, unless the caller gave it.
alice._auth_token = "gone"
alice._headers["X-AUTH-TOKEN"] = "gone"
same("with a new token", alice.virtual_network_read(id=network.uuid).name, "of-alice")
given = VncApi(api_server_host=SERVER.hostname, api_server_port=SERVER.port, auth_token=admin.get_auth_token(), auth_type="keystone",
               auth_url="/v3/auth/tokens")
same("with a given token", given.virtual_network_read(id=hidden.uuid).name, "of-admin")
given.set_auth_token("gone")
refused("a given token is not renewed", AuthFailed, given.virtual_network_read, id=hidden.uuid)
refused("a wrong password", RuntimeError, client("alice", "alice-proj", "wrong").virtual_networks_list)

alice.virtual_network_delete(id=network.uuid)
admin.virtual_network_delete(id=hidden.uuid)
print("all is well")
