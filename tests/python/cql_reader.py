"""What the Python daemons do with the configuration, on the driver and with the settings of theirs.

    cql_reader.py URL HOST PORT [USER PASSWORD [CERTIFICATES]]

Starts as such a daemon does, reads in every way that they have, page by page where there is much, keeps a table of its own, and
sees refused what is not theirs to write. Stops at the first thing that is wrong.
"""
import itertools
import json
import ssl
import sys
import uuid

from cassandra import AlreadyExists, InvalidRequest, Unauthorized
from cassandra.cluster import NoHostAvailable
from cassandra.concurrent import execute_concurrent
from cassandra.protocol import ConfigurationException, SyntaxException
from cassandra.query import BatchStatement, BatchType, SimpleStatement

from checks import refused, same
from cql import KEYSPACE, PAGE_SIZE, blob, cluster, quoted, session
from cql_oracle import Rest

URL, HOST, PORT = sys.argv[1:4]
USER, PASSWORD = sys.argv[4:6] if len(sys.argv) > 4 else (None, None)
OWN = "to_bgp_keyspace"
OWN_TABLES = {"route_target_table", "service_chain_ip_address_table", "service_chain_table", "service_chain_uuid_table"}
CONFIGURATION = {"obj_uuid_table", "obj_fq_name_table", "obj_shared_table"}
# More than a page of columns in one row.
ANNOTATIONS = PAGE_SIZE + 1234


def connect(user=USER, password=PASSWORD):
    more = {}
    if len(sys.argv) > 6:
        # The chain is looked at, and the name is not.
        more["ssl_context"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        more["ssl_context"].check_hostname = False
        more["ssl_context"].load_verify_locations(sys.argv[6])
    return cluster([HOST], int(PORT), user, password, **more)


def read(of, statement):
    """All rows of all pages; daemons break their statements into lines."""
    return [tuple(row) for row in of.execute("\n            %s\n            " % statement.replace(" WHERE", "\n WHERE"))]


# Objects to be read

rest = Rest(URL)


def post(path, body):
    status, text = rest.ask("POST", path, body)
    same("%s %s" % (path, text), status, 200)
    return json.loads(text)


NAME = ["default-domain", "default-project", "it's a n\u00e4me"]
ELEMENTS = [{"key": "k:%05d" % number, "value": "'%d' \u2603" % number} for number in range(ANNOTATIONS)]
network = post("/virtual-networks", {"virtual-network": {
    "fq_name": NAME, "parent_type": "project", "annotations": {"key_value_pair": ELEMENTS}}})["virtual-network"]["uuid"]
policies = [post("/network-policys", {"network-policy": {
    "fq_name": ["default-domain", "default-project", "policy-%d" % number], "parent_type": "project",
}})["network-policy"]["uuid"] for number in range(3)]
for policy in policies:
    post("/ref-update", {"type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": policy,
                         "operation": "ADD", "attr": {"sequence": {"major": 1, "minor": 2}}})

# The start of a daemon

of = connect()
first = session(of)
keyspaces = {name for [name] in read(first, "SELECT keyspace_name FROM system_schema.keyspaces")}
lacking = {KEYSPACE, OWN, "svc_monitor_keyspace", "dm_keyspace", "useragent"} - keyspaces
same("keyspaces that are not there from the beginning", lacking, set())
for keyspace, tables in (OWN, OWN_TABLES), (KEYSPACE, CONFIGURATION):
    listed = {name for [name] in read(first, "SELECT table_name FROM system_schema.tables WHERE keyspace_name=%s"
                                      % quoted(keyspace))}
    same("tables of " + keyspace, tables - listed, set())
    known = of.metadata.keyspaces[keyspace].tables
    same("tables that the driver knows of " + keyspace, tables - set(known), set())
    for name in tables:
        columns = [(column.name, column.cql_type) for column in known[name].columns.values()]
        same("columns of " + name, columns, [("key", "blob"), ("column1", "blob"), ("value", "text")])
        same("keys of " + name, ([column.name for column in known[name].partition_key],
                                 [column.name for column in known[name].clustering_key]), (["key"], ["column1"]))
same("the cluster's servers", [host.address for host in of.metadata.all_hosts()], [HOST])
sessions = {name: session(of, OWN) for name in sorted(OWN_TABLES)}
sessions.update((name, session(of, KEYSPACE)) for name in sorted(CONFIGURATION))
uuids, names, targets = (sessions[name] for name in ("obj_uuid_table", "obj_fq_name_table", "route_target_table"))

# The cache of names: the whole table

TEXTS = "blobAsText(column1), value"
cache = {}
for key, column, value in read(uuids, "SELECT blobAsText(key), %s FROM \"obj_uuid_table\" WHERE column1 IN (%s, %s) "
                               "ALLOW FILTERING" % (TEXTS, blob("type"), blob("fq_name"))):
    cache.setdefault(key, {})[column] = json.loads(value)
same("columns of each object in the cache", {tuple(sorted(row)) for row in cache.values()}, {("fq_name", "type")})
same("name of the network", cache[network], {"type": "virtual_network", "fq_name": NAME})

# A row, in every way that there is

WHERE = "FROM \"obj_uuid_table\" WHERE key = %s" % blob(network)
row = read(uuids, "SELECT %s %s" % (TEXTS, WHERE))
columns = [column for column, _ in row]
same("order of the columns", columns, sorted(columns, key=str.encode))
same("annotations", [column for column in columns if column.startswith("propm:")],
     ["propm:annotations:" + element["key"] for element in ELEMENTS])
same("an annotation", json.loads(dict(row)["propm:annotations:k:00042"]), ELEMENTS[42])
timed = read(uuids, "SELECT %s, WRITETIME(value) %s" % (TEXTS, WHERE))
same("the same with write times", [entry[:2] for entry in timed], row)
same("write times that are none", [entry for entry in timed if not (isinstance(entry[2], int) and entry[2] > 0)], [])
result = uuids.execute(SimpleStatement("SELECT %s %s" % (TEXTS, WHERE)))
pages = [len(result.current_rows)]
while result.has_more_pages:
    result.fetch_next_page()
    pages.append(len(result.current_rows))
same("pages of the row", pages, [PAGE_SIZE, len(row) - PAGE_SIZE])
for size in 1, 97, len(row) - 1, len(row), len(row) + 1:
    got = session(of, KEYSPACE, size).execute("SELECT %s %s" % (TEXTS, WHERE))
    # With the smallest pages the beginning is enough.
    begin = row[:50] if size == 1 else row
    same("pages of %d" % size, [tuple(entry) for entry in itertools.islice(got, None if begin is row else 50)], begin)

CHOSEN = ["fq_name", "type", "prop:nothing", "propm:annotations:k:00001"]
same("some columns", read(uuids, "SELECT %s %s AND column1 IN (%s) ALLOW FILTERING"
                          % (TEXTS, WHERE, ", ".join(map(blob, CHOSEN)))),
     [entry for entry in row if entry[0] in CHOSEN])
for start, end in ("d", None), ("ref:", "ref;"), ("children:", "children;"), (None, "prop;"), ("propm:", "propm:annotations:k:00100"):
    slice_ = "".join(" AND column1 %s %s" % (sign, blob(edge)) for sign, edge in ((">=", start), ("<=", end)) if edge)
    inside = [entry for entry in row if (start or "") <= entry[0] and (end is None or entry[0] <= end)]
    same("columns%s" % slice_, read(uuids, "SELECT %s %s%s" % (TEXTS, WHERE, slice_)), inside)
    same("number of columns%s" % slice_, read(uuids, "SELECT COUNT(*) %s%s" % (WHERE, slice_)), [(len(inside),)])
shown = rest.get("/virtual-network/" + network)["virtual-network"]["network_policy_refs"]
same("references", {column: json.loads(value)["attr"] for column, value in row if column.startswith("ref:network_policy:")},
     {"ref:network_policy:" + link["uuid"]: link["attr"] for link in shown})
same("what is referred to", {link["uuid"] for link in shown}, set(policies))
same("number of columns", read(uuids, "SELECT COUNT(*) %s" % WHERE), [(len(row),)])
nobody = blob(str(uuid.uuid4()))
same("a row that is not there", read(uuids, "SELECT %s FROM \"obj_uuid_table\" WHERE key = %s" % (TEXTS, nobody)), [])
same("a row that is not there has no columns",
     read(uuids, "SELECT COUNT(*) FROM \"obj_uuid_table\" WHERE key = %s" % nobody), [(0,)])
found = execute_concurrent(uuids, [(SimpleStatement("SELECT %s FROM \"obj_uuid_table\" WHERE key = %s" % (TEXTS, blob(key))), None)
                                   for key in cache], concurrency=100)
same("many rows beside each other", [json.loads(dict(map(tuple, entries))["fq_name"]) for _, entries in found],
     [row["fq_name"] for row in cache.values()])

# All rows

whole = read(uuids, "SELECT blobAsText(key), %s, WRITETIME(value) FROM \"obj_uuid_table\"" % TEXTS)
same("the network in the whole table", [entry[1:] for entry in whole if entry[0] == network], timed)
together = [key for number, (key, *_) in enumerate(whole) if number == 0 or whole[number - 1][0] != key]
same("rows that come in pieces", len(together), len(set(together)))
same("rows of the whole table", set(together), set(cache))
one_type = read(uuids, "SELECT blobAsText(key), value FROM \"obj_uuid_table\" WHERE column1 = %s AND value = %s ALLOW FILTERING"
                % (blob("type"), quoted('"virtual_network"')))
same("networks, by their type", {key for key, _ in one_type},
     {key for key, row in cache.items() if row["type"] == "virtual_network"})

# Names

KEY = "FROM \"obj_fq_name_table\" WHERE key = %s" % blob("virtual_network")
known = read(names, "SELECT %s %s" % (TEXTS, KEY))
same("names of networks", [column for column, _ in known],
     sorted((":".join(row["fq_name"] + [key]) for key, row in cache.items() if row["type"] == "virtual_network"), key=str.encode))
joined = ":".join(NAME)
same("the network by its name", [column for column, _ in read(names, "SELECT %s %s AND column1 >= %s AND column1 <= %s" % (
    TEXTS, KEY, blob(joined + ":"), blob(joined + ";")))], ["%s:%s" % (joined, network)])
same("a name that nothing has", read(names, "SELECT %s %s AND column1 >= %s AND column1 <= %s" % (
    TEXTS, KEY, blob("no:such:"), blob("no:such;"))), [])
same("names of a type that is none", read(names, "SELECT %s FROM \"obj_fq_name_table\" WHERE key = %s" % (TEXTS, blob("no"))), [])

# What is not theirs to write, and what nobody can be answered

for statement in [
    "INSERT INTO \"obj_uuid_table\" (key, column1, value) VALUES (%s, %s, '1')" % (blob(network), blob("prop:mtu")),
    "DELETE FROM \"obj_uuid_table\" WHERE key = %s" % blob(network),
    "DELETE FROM \"obj_uuid_table\" WHERE key = %s AND column1 = %s" % (blob(network), blob("fq_name")),
    "TRUNCATE obj_uuid_table",
    "DROP TABLE obj_uuid_table",
    "DROP KEYSPACE config_db_uuid",
]:
    text = refused(statement, Unauthorized, uuids.execute, statement)
    print("refused: %s" % text)
batch = BatchStatement(batch_type=BatchType.UNLOGGED)
batch.add(SimpleStatement("INSERT INTO \"obj_uuid_table\" (key, column1, value) VALUES (%s, %s, '1')"
                          % (blob(network), blob("prop:mtu"))))
refused("a batch", Unauthorized, uuids.execute, batch)
same("the row after that", read(uuids, "SELECT %s %s" % (TEXTS, WHERE)), row)
for statement, error in [
    ("SELECT nothing FROM \"obj_uuid_table\"", InvalidRequest),
    ("SELECT * FROM nowhere", InvalidRequest),
    ("SELECT * FROM nowhere.at_all", InvalidRequest),
    ("USE nowhere", InvalidRequest),
    ("SELECT FROM", SyntaxException),
    ("SELECT * FROM obj_uuid_table WHERE key = 'text'", InvalidRequest),
    ("DROP KEYSPACE nowhere", ConfigurationException),
]:
    print("refused: %s" % refused(statement, error, first.execute if "nowhere" in statement else uuids.execute, statement))

# A table of its own

rows = {"default-domain:default-project:n%d:it's %d" % (number, number): str(8000001 + number) for number in range(1500)}
execute_concurrent(targets, [(SimpleStatement("INSERT INTO \"route_target_table\" (key, column1, value) VALUES (%s, %s, %s)"
                                              % (blob(key), blob("rtgt_num"), quoted(value))), None)
                             for key, value in rows.items()], concurrency=1000, raise_on_first_error=True)
ALL = "SELECT blobAsText(key), %s FROM \"route_target_table\"" % TEXTS
same("what was written", {key: (column, value) for key, column, value in read(targets, ALL)},
     {key: ("rtgt_num", value) for key, value in rows.items()})
key = next(iter(rows))
ONE = "FROM \"route_target_table\" WHERE key = %s" % blob(key)
[[_, value, time]] = read(targets, "SELECT %s, WRITETIME(value) %s" % (TEXTS, ONE))
targets.execute("INSERT INTO \"route_target_table\" (key, column1, value) VALUES (%s, %s, '1')" % (blob(key), blob("rtgt_num")))
[[_, value, later]] = read(targets, "SELECT %s, WRITETIME(value) %s" % (TEXTS, ONE))
same("a value that was written again", (value, later > time), ("1", True))
LONG = "FROM \"service_chain_uuid_table\" WHERE key = %s" % blob("long")
chains = sessions["service_chain_uuid_table"]
TEXT = "'\u2603" * 30000
for begin in range(0, ANNOTATIONS, 1000):
    batch = BatchStatement(batch_type=BatchType.UNLOGGED)
    for number in range(begin, min(begin + 1000, ANNOTATIONS)):
        batch.add(SimpleStatement("INSERT INTO \"service_chain_uuid_table\" (key, column1, value) VALUES (%s, %s, %s)"
                                  % (blob("long"), blob("%05d" % number), quoted(TEXT if number == 3 else str(number)))))
    chains.execute(batch)
written = [("%05d" % number, TEXT if number == 3 else str(number)) for number in range(ANNOTATIONS)]
same("a long row, page by page", read(chains, "SELECT %s %s" % (TEXTS, LONG)), written)
same("a slice of it", read(chains, "SELECT %s %s AND column1 >= %s AND column1 <= %s" % (TEXTS, LONG, blob("00010"), blob("00020"))),
     written[10:21])
batch = BatchStatement(batch_type=BatchType.UNLOGGED)
for number in 5, 6:
    batch.add(SimpleStatement("DELETE FROM \"service_chain_uuid_table\" WHERE key = %s AND column1 = %s"
                              % (blob("long"), blob("%05d" % number))))
chains.execute(batch)
same("without two of its columns", read(chains, "SELECT COUNT(*) %s" % LONG), [(ANNOTATIONS - 2,)])
chains.execute("DELETE FROM \"service_chain_uuid_table\" WHERE key = %s" % blob("long"))
same("a row that was deleted", read(chains, "SELECT %s %s" % (TEXTS, LONG)), [])
targets.execute("DELETE %s" % ONE)
same("rows without the one that was deleted", len(read(targets, ALL)), len(rows) - 1)

# A keyspace that nobody knows yet

REPLICATION = "WITH REPLICATION = { 'class': 'SimpleStrategy', 'replication_factor': '1' }"
TABLE = ("CREATE TABLE IF NOT EXISTS \"t\" ( key blob, column1 blob, value text, PRIMARY KEY (key, column1) ) "
         "WITH COMPACT STORAGE AND CLUSTERING ORDER BY (column1 ASC)")
first.execute("CREATE KEYSPACE IF NOT EXISTS \"own_keyspace\" %s" % REPLICATION)
first.execute("ALTER KEYSPACE \"own_keyspace\" %s" % REPLICATION)
refused("a keyspace that is there", AlreadyExists, first.execute, "CREATE KEYSPACE \"own_keyspace\" %s" % REPLICATION)
own = session(of, "own_keyspace")
own.execute(TABLE)
own.execute("ALTER TABLE \"t\" WITH gc_grace_seconds=864000")
same("what the driver knows of it", sorted(of.metadata.keyspaces["own_keyspace"].tables), ["t"])
own.execute("INSERT INTO \"t\" (key, column1, value) VALUES (0x00ff, 0x, '')")
same("bytes that are no text", read(own, "SELECT key, column1, value FROM t"), [(b"\x00\xff", b"", "")])
first.execute("DROP KEYSPACE \"own_keyspace\"")
same("what the driver knows without it", "own_keyspace" in of.metadata.keyspaces, False)
# What stands there already is left alone.
uuids.execute(TABLE.replace("\"t\"", "\"obj_uuid_table\""))
uuids.execute("ALTER TABLE \"obj_uuid_table\" WITH gc_grace_seconds=864000")

# Who is let in

if USER:
    for user, password in (USER, PASSWORD + "x"), ("nobody", PASSWORD), (None, None):
        other = connect(user, password)
        print("refused: %s" % refused("user %s" % user, NoHostAvailable, other.connect))
        other.shutdown()
of.shutdown()
