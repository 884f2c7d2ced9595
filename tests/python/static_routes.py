"""Static routes as scripts on the Python client library keep them: a table of the interface's name.

    static_routes.py URL INTERFACE add PREFIX | delete PREFIX
"""
import sys
from urllib.parse import urlparse

from vnc_api.vnc_api import *

SERVER = urlparse(sys.argv[1])
INTERFACE, ACTION, PREFIX = sys.argv[2:5]
NAME = ["default-domain", "default-project", INTERFACE]

api = VncApi(api_server_host=SERVER.hostname, api_server_port=SERVER.port, auth_type="noauth")
interface = api.virtual_machine_interface_read(id=INTERFACE)
try:
    table = api.interface_route_table_read(fq_name=NAME)
except NoIdError:
    table = None

if ACTION == "add":
    route = RouteType(prefix=PREFIX)
    if table is None:
        project = api.project_read(fq_name=NAME[:2])
        table = InterfaceRouteTable(NAME[2], parent_obj=project, interface_route_table_routes=RouteTableType([route]))
        api.interface_route_table_create(table)
        interface.add_interface_route_table(table)
        api.virtual_machine_interface_update(interface)
    else:
        routes = table.get_interface_route_table_routes()
        routes.add_route(route)
        table.set_interface_route_table_routes(routes)
        api.interface_route_table_update(table)
else:
    routes = table.get_interface_route_table_routes()
    routes.set_route([route for route in routes.get_route() if route.prefix != PREFIX])
    if routes.get_route():
        table.set_interface_route_table_routes(routes)
        api.interface_route_table_update(table)
    else:
        interface.del_interface_route_table(table)
        api.virtual_machine_interface_update(interface)
        api.interface_route_table_delete(id=table.uuid)
