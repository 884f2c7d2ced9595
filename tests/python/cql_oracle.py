"""What the tables of Cassandra have to hold, made of what REST tells and of the model's facts, by the mapping of the contract
(4.1). It knows nothing of how the server makes them.

    cql_oracle.py URL HOST:PORT.. [TIMES]

Compares every row of all servers with what REST tells, column by column, and what the servers tell with each other, write times
included. TIMES is a file in which the tables are kept between two runs: then a column has another write time, a greater one,
exactly if its value is another one than it was.
"""
import collections
import http.client
import json
import os
import sys
import tomllib
from time import monotonic, sleep
from urllib.parse import urlencode, urlparse
from uuid import UUID

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "schema")
# What an answer of REST has beside properties and links.
OF_REST = {"uuid", "href", "name", "fq_name", "parent_type", "parent_uuid", "parent_href"}
# Columns that say nothing of the configuration: they may be there or not (contract 4.1).
UNREAD = ("META:", "relaxbackref:")


class Rest:
    """The server's other interface, over one connection that is kept."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urlparse(url).netloc, timeout=60)

    def ask(self, method, path, body=None):
        content = None if body is None else json.dumps(body)
        self.connection.request(method, path, content, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        return response.status, response.read().decode()

    def get(self, path):
        status, text = self.ask("GET", path)
        if status != 200:
            raise SystemExit("GET %s: %s %s" % (path, status, text))
        return json.loads(text)


def underscored(name):
    return name.replace("-", "_")


class Type:
    """What the model says of a type of objects."""

    def __init__(self, description, common):
        self.name = description["name"]
        self.parents = description.get("parents", [])
        self.properties = {**common["properties"], **description.get("properties", {})}
        self.references = {**common["references"], **description.get("references", {})}


class Model:
    def __init__(self):
        common = self.read(os.path.join(SCHEMA, "common.toml"))
        directory = os.path.join(SCHEMA, "object-types")
        described = [self.read(os.path.join(directory, name)) for name in sorted(os.listdir(directory))]
        self.types = {description["name"]: Type(description, common) for description in described}
        # Types whose objects are children of those of a type, and types with references to it.
        self.children, self.referring = collections.defaultdict(list), collections.defaultdict(list)
        for kind in self.types.values():
            for parent in kind.parents:
                self.children[parent].append(kind.name)
            for target in kind.references:
                if target != kind.name:
                    self.referring[target].append(kind.name)

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return tomllib.load(file)


MODEL = Model()


def columns_of(kind, shown, positions):
    """The columns of an object, by what REST shows of it: name -> value, decoded. `positions` gives the elements of a list or
    map property with their places, as pairs."""
    shown = dict(shown)
    row = {"type": underscored(kind.name), "fq_name": shown["fq_name"]}
    if "parent_uuid" in shown:
        row["parent_type"] = shown["parent_type"]
        row["parent:%s:%s" % (underscored(shown["parent_type"]), shown["parent_uuid"])] = None
    for name in OF_REST:
        shown.pop(name, None)
    for name, facts in kind.properties.items():
        if name not in shown:
            continue
        value = shown.pop(name)
        if "list" in facts:
            elements = [] if value is None else sum(value.values(), [])
            row.update(("propl:%s:%s" % (name, place.replace(":", "%3A")), element) for element, place in positions(name, elements))
        elif "map" in facts:
            elements = [] if value is None else sum(value.values(), [])
            row.update(("propm:%s:%s" % (name, element[facts["key"]]), element) for element in elements)
        else:
            row["prop:" + name] = value
    for target in kind.references:
        for link in shown.pop(underscored(target) + "_refs", []):
            row["ref:%s:%s" % (underscored(target), link["uuid"])] = {"attr": link.get("attr")}
    for source in MODEL.referring[kind.name]:
        for link in shown.pop(underscored(source) + "_back_refs", []):
            row["backref:%s:%s" % (underscored(source), link["uuid"])] = {"attr": link.get("attr")}
    for child in MODEL.children[kind.name]:
        for link in shown.pop(underscored(child) + "s", []):
            row["children:%s:%s" % (underscored(child), link["uuid"])] = None
    if shown:
        raise SystemExit("%s: the model does not know %s" % (kind.name, sorted(shown)))
    return row


def wanted(rest):
    """All rows that there have to be: uuid -> columns; and those of the names: type -> columns."""
    rows, names = {}, collections.defaultdict(set)
    for kind in MODEL.types.values():
        listed = rest.get("/%ss" % kind.name)["%ss" % kind.name]
        for uuid in [item["uuid"] for item in listed]:
            status, text = rest.ask("GET", "/%s/%s" % (kind.name, uuid))
            if status == 404:
                continue
            shown = json.loads(text)[kind.name]

            def positions(name, elements):
                query = urlencode({"uuid": uuid, "fields": name})
                placed = rest.get("/prop-collection-get?" + query)[name]
                if [element for element, _ in placed] != elements:
                    raise SystemExit("%s of %s: REST tells %r and %r" % (name, uuid, elements, placed))
                return placed

            rows[uuid] = columns_of(kind, shown, positions)
            names[underscored(kind.name)].add("%s:%s" % (":".join(shown["fq_name"]), uuid))
    return rows, names


def decoded(column, text):
    """The value of a column, without what nobody reads of it."""
    if not isinstance(text, str):
        raise SystemExit("%s: the value is %r and not a text" % (column, text))
    value = json.loads(text)
    if column.startswith(("ref:", "backref:")):
        if not isinstance(value, dict) or "attr" not in value or set(value) - {"attr", "is_weakref"}:
            raise SystemExit("%s: %r is not what a link has" % (column, text))
        return {"attr": value["attr"]}
    return value


def is_read(column):
    return not column.startswith(UNREAD)


def differences(what, got, expected):
    """One line for each column that is not as it should be."""
    for uuid in sorted(set(got) | set(expected)):
        if uuid not in got or uuid not in expected:
            yield "%s %s is %s" % (what, uuid, "missing" if uuid in expected else "one too many: %r" % (got[uuid],))
            continue
        has, should = got[uuid], expected[uuid]
        for column in sorted(set(has) | set(should)):
            if column not in has:
                yield "%s %s lacks %s, which is %r" % (what, uuid, column, should[column])
            elif column not in should:
                yield "%s %s has %s: %r" % (what, uuid, column, has[column])
            elif not same_value(has[column], should[column]):
                yield "%s %s, %s:\n    is        %r\n    should be %r" % (what, uuid, column, has[column], should[column])


def same_value(one, other):
    """Whether they are the same JSON: for Python 1 is True, and 1.0, too."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def stop_if(lines):
    lines = list(lines)
    if lines:
        raise SystemExit("%d differences:\n%s" % (len(lines), "\n".join(lines[:30])))


def table(session, name):
    """All of a table: key -> column -> (text, write time). The columns of a key come together and in the order of their bytes."""
    rows, last, before = {}, None, None
    for key, column, value, time in session.execute("SELECT key, column1, value, WRITETIME(value) FROM %s" % name):
        if key != last and key.decode() in rows:
            raise SystemExit("%s: the row %r comes in pieces" % (name, key))
        if key == last and column <= before:
            raise SystemExit("%s, %r: %r comes after %r" % (name, key, column, before))
        if not isinstance(time, int) or time <= 0:
            raise SystemExit("%s, %r, %r: the write time is %r" % (name, key, column, time))
        rows.setdefault(key.decode(), {})[column.decode()] = (value, time)
        last, before = key, column
    return rows


def values_of(rows):
    return {key: {column: decoded(column, value) for column, (value, _) in row.items() if is_read(column)}
            for key, row in rows.items()}


def times_of(rows):
    return {key: {column: time for column, (_, time) in row.items()} for key, row in rows.items()}


def check_rules(rows):
    """What readers insist on (contract 4.1)."""
    for uuid, row in rows.items():
        for column, (value, time) in row.items():
            kind, _, rest = column.partition(":")
            colons = {"prop": 0, "propl": 1, "ref": 1, "parent": 1, "children": 1, "backref": 1}.get(kind)
            if rest and colons is not None and rest.count(":") != colons:
                raise SystemExit("%s: %r has too many parts" % (uuid, column))
            if column == "META:latest_col_ts":
                newest = max(time for name, (_, time) in row.items() if is_read(name))
                if value not in (None, "null") or time < newest:
                    raise SystemExit("%s: %s is %r at %s, and the newest column of %s" % (uuid, column, value, time, newest))


def check_times(before, after):
    """Another value has another time, a greater one; the same value has the same."""
    changed = 0
    for uuid, row in after.items():
        was = before.get(uuid, {})
        for column, (value, time) in row.items():
            if not is_read(column):
                continue
            if column not in was:
                # Of an object that was not there, or a column that is new: the reader has no time to compare it with.
                newest = max([time for _, time in was.values()], default=0)
                if was and time <= newest and not column.startswith(("children:", "backref:")):
                    yield "%s, %s: is new, but not later than the row was: %s after %s" % (uuid, column, time, newest)
                continue
            old_value, old_time = was[column]
            is_same = same_value(decoded(column, old_value), decoded(column, value))
            changed += not is_same
            if is_same and time != old_time:
                yield "%s, %s: is %s as before, but of %s and not %s" % (uuid, column, value, time, old_time)
            if not is_same and time <= old_time:
                yield "%s, %s: is %s and was %s, but of %s after %s" % (uuid, column, value, old_value, time, old_time)
    print("%d columns have changed" % changed)


def check_shared(rows, uuids):
    """Who may read which objects beside their owners; the table may be empty."""
    shared = collections.defaultdict(dict)
    for uuid, row in uuids.items():
        perms = row.get("prop:perms2")
        if not perms:
            continue
        if perms.get("global_access"):
            shared[row["type"]]["global::" + uuid] = str(perms["global_access"])
        for share in perms.get("share") or []:
            of = share["tenant"]
            scope, _, tenant = of.rpartition(":")
            # Whoever shares may leave out the dashes.
            tenant = UUID(tenant)
            shared[row["type"]]["%s:%s:%s" % (scope or "tenant", tenant, uuid)] = str(share["tenant_access"])
    texts = {kind: {column: value for column, (value, _) in row.items()} for kind, row in rows.items()}
    stop_if(differences("obj_shared_table", texts, dict(shared)) if texts else [])
    print("%d are shared" % sum(map(len, texts.values())))


def main(url, *rest):
    from cql import KEYSPACE, cluster, session
    servers = [argument for argument in rest if ":" in argument]
    kept = next((argument for argument in rest if ":" not in argument), None)
    expected, names = wanted(Rest(url))
    tables = []
    for server in servers:
        host, port = server.split(":")
        of = cluster([host], int(port))
        reader = session(of, KEYSPACE)
        # Peers are contact points, too: each of the servers is to be asked by itself.
        tables.append({name: alone(reader, host, name)
                       for name in ("obj_uuid_table", "obj_fq_name_table", "obj_shared_table")})
        of.shutdown()
    for server, of in zip(servers, tables):
        print("%s: %d objects, %d columns" % (server, len(of["obj_uuid_table"]), sum(map(len, of["obj_uuid_table"].values()))))
        check_rules(of["obj_uuid_table"])
        got = values_of(of["obj_uuid_table"])
        stop_if(differences("obj_uuid_table", got, expected))
        got_names = {kind: {column: decoded(column, value) for column, (value, _) in row.items()}
                     for kind, row in of["obj_fq_name_table"].items()}
        wanted_names = {kind: dict.fromkeys(columns) for kind, columns in names.items()}
        stop_if(differences("obj_fq_name_table", got_names, wanted_names))
        check_shared(of["obj_shared_table"], expected)
        for name, rows in of.items():
            stop_if(differences("write times in %s of %s" % (name, server), times_of(rows), times_of(tables[0][name])))
    if kept:
        if os.path.exists(kept):
            with open(kept) as file:
                stop_if(check_times(json.load(file), tables[0]["obj_uuid_table"]))
        with open(kept, "w") as file:
            json.dump(tables[0]["obj_uuid_table"], file)


def alone(session, host, name):
    """A table as one of the servers tells it."""
    [wanted_host] = [known for known in session.cluster.metadata.all_hosts() if known.address == host]
    # A session is there as soon as it has connections with one of the hosts, which may be the other one.
    end = monotonic() + 60
    while wanted_host not in session.get_pool_state():
        if monotonic() > end:
            raise SystemExit("%s: no connections with it within a minute" % host)
        sleep(0.01)
    original = session.execute

    class Through:
        @staticmethod
        def execute(statement):
            return original(statement, host=wanted_host)

    return table(Through, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
