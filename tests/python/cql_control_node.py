"""A reader of the configuration with the rules of the C++ library of control nodes (contract 5 and 9).

    cql_control_node.py AMQP_URL QUEUE PORT HOST..

Binds its queue, reads the names of all types in pages and then all rows in batches, and after that reads again what messages
announce. It takes a column only if its write time is another one than the one that it remembers, and drops columns that are
gone; a row without type or name is an object that was deleted; one that refers to somebody unknown is read again later.

A writer that numbers what it does with an object tells the number in the display name and in the id of the request
(`req-UUID-NUMBER`). Then no row may be older than what was announced before it was read: that is a fault, and so is a value that
no reader could do with. A fault ends the program.

Says in lines of JSON what happens: {"ready"} for each time that it consumes, and {"read"} when everything was read for the first
time. An object whose name is `mark-QUEUE` has the URL of a server as its display name: as soon as there is nothing to
do any more it compares what it has with what is told there, and says how much that was ({"equal"}).
"""
import collections
import json
import os
import re
import sys
import threading
import time
import traceback

from kombu import Connection, Consumer, Exchange, Queue

from cassandra import OperationTimedOut, RequestExecutionException
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cql import KEYSPACE, cluster, hexadecimal, session
from cql_oracle import MODEL, Rest, decoded, differences, is_read, stop_if, underscored, wanted

AMQP_URL, QUEUE, PORT, *HOSTS = sys.argv[1:]
# How many names and rows are asked for at a time.
BUNCH = int(os.environ.get("CONFIG_NUM_DB_READ_REQ_TO_BUNCH", 4096))
WORKERS = 8
# How long a request may be without an answer, as the C++ driver has it.
PATIENCE = 12
# Nobody answers, or not now; all else that a read may end with is a fault.
AWAY = NoHostAvailable, OperationTimedOut, RequestExecutionException, ConnectionException, OSError

lock = threading.RLock()
names = {}  # uuid -> (type, name) of what is known to exist
picture = {}  # uuid -> column -> (write time, value)
announced = {}  # uuid -> (number, whether it was a delete) of the last that a writer has done
owed = {}  # uuid -> number of what was announced, of an object that was not there: its delete has to be announced, too
counts = collections.Counter()


def say(event):
    with lock:
        print(json.dumps(event), flush=True)


def fault(text):
    with lock:
        print(json.dumps({"fault": text}), flush=True)
        os._exit(1)


def guarded(work):
    """What runs as a thread; its end, and what it was about, is that of the program."""
    def run(*arguments):
        try:
            work(*arguments)
        except SystemExit as stop:
            fault(str(stop))
        except BaseException:
            fault(traceback.format_exc())
    return run


def start(work, *arguments):
    threading.Thread(target=guarded(work), args=arguments, daemon=True).start()


class Database:
    def __init__(self):
        self.cluster = cluster(HOSTS, int(PORT))
        while True:
            try:
                self.session = session(self.cluster, KEYSPACE, page_size=None)
                break
            except AWAY:
                counts["failed connects"] += 1
                time.sleep(0.1)
                self.cluster = cluster(HOSTS, int(PORT))
        self.session.default_timeout = PATIENCE
        # Without these the daemons go no further.
        tables = self.cluster.metadata.keyspaces[KEYSPACE].tables
        if not {"obj_uuid_table", "obj_fq_name_table"} <= set(tables):
            fault("the driver knows these tables only: %s" % sorted(tables))

    def rows(self, statement):
        """All of it in one answer; asked again for as long as there is none."""
        while True:
            try:
                return list(self.session.execute(statement))
            except AWAY:
                counts["failed reads"] += 1
                time.sleep(0.02)

    def names_of(self, kind):
        statement = "SELECT key,column1 FROM obj_fq_name_table WHERE key=%s" % hexadecimal(kind)
        after = ""
        while True:
            page = self.rows("%s%s LIMIT %d" % (statement, after, BUNCH))
            for key, column in page:
                if key.decode() != kind:
                    fault("%r is among the names of %s" % (key, kind))
                yield column.decode().rpartition(":")[::2]
            if len(page) < BUNCH:
                return
            after = " AND (column1) > (0x%s)" % page[-1][1].hex()

    def objects(self, uuids):
        """Their rows: uuid -> column -> (write time, text). The rows of each come together."""
        keys = [hexadecimal(uuid) for uuid in uuids]
        which = "key=%s" % keys[0] if len(keys) == 1 else "key IN (%s)" % ",".join(keys)
        found, last = {}, None
        for key, column, value, written in self.rows(
                "SELECT key,column1,value,WRITETIME(value) FROM obj_uuid_table WHERE %s AND (column1) >= (0x64)" % which):
            if key != last and key.decode() in found:
                fault("%r comes in pieces" % key)
            if not isinstance(value, str) or not isinstance(written, int):
                fault("%r, %r: %r, written at %r" % (key, column, value, written))
            if column < b"d":
                fault("%r is before what was asked for" % column)
            found.setdefault(key.decode(), {})[column.decode()] = (written, value)
            last = key
        return found


class Worker:
    """Reads the rows of some of the objects."""

    def __init__(self):
        self.waiting = collections.OrderedDict()
        # uuid -> (when, the pause before it) of what is read again by itself
        self.later = {}
        self.changed = threading.Condition(lock)
        self.busy = False

    def add(self, uuid):
        with lock:
            self.waiting[uuid] = None
            self.later.pop(uuid, None)
            self.changed.notify_all()

    def batch(self):
        with lock:
            while True:
                now = time.monotonic()
                due = [uuid for uuid, (when, _) in self.later.items() if when <= now]
                self.waiting.update(dict.fromkeys(due))
                if self.waiting:
                    break
                self.busy = False
                finished.notify_all()
                nearest = min((when for when, _ in self.later.values()), default=None)
                self.changed.wait(nearest and nearest - now)
            self.busy = True
            uuids = list(self.waiting)[:BUNCH]
            for uuid in uuids:
                del self.waiting[uuid]
            return {uuid: announced.get(uuid) for uuid in uuids}

    def run(self, database):
        while True:
            uuids = self.batch()
            rows = database.objects(list(uuids))
            with lock:
                counts["rows read"] += len(uuids)
                for uuid, promise in uuids.items():
                    row = rows.get(uuid, {})
                    check_age(uuid, row, promise)
                    if take(uuid, row):
                        self.later.pop(uuid, None)
                    else:
                        _, pause = self.later.get(uuid, (0, 0.05))
                        self.later[uuid] = (time.monotonic() + 2 * pause, 2 * pause)
                        counts["read again"] += 1

    def is_idle(self):
        return not (self.waiting or self.later or self.busy)


def number_in(row):
    """What a writer has numbered last of this object."""
    name = json.loads(row["prop:display_name"][1]) if "prop:display_name" in row else None
    return int(name) if isinstance(name, str) and name.isdigit() else None


def exists(row):
    return "type" in row and "fq_name" in row


def check_age(uuid, row, promise):
    if promise is None:
        return
    counts["ages checked"] += 1
    number, is_delete = promise
    if not exists(row):
        if not is_delete:
            # It may have been deleted since; then that will be told.
            owed[uuid] = max(number, owed.get(uuid, -1))
        return
    has = number_in(row)
    if has is None or has < number or (is_delete and has == number):
        fault("%s was read as of %s after %s of number %d was announced" % (uuid, has, "the delete" if is_delete else "a change", number))


def take(uuid, row):
    """Makes it part of the picture; false if it refers to somebody who is not known."""
    if not exists(row):
        counts["objects gone"] += picture.pop(uuid, None) is not None
        return True
    before = picture.get(uuid, {})
    after, complete = {}, True
    for column, (written, text) in row.items():
        if not is_read(column):
            continue
        kind, _, rest = column.partition(":")
        known = before.get(column)
        if column not in ("type", "fq_name") and known and known[0] == written:
            after[column] = known
            counts["columns left"] += 1
            continue
        after[column] = (written, decoded(column, text))
        counts["columns taken"] += 1
        if known and known[0] > written:
            fault("%s, %s: written at %d, and at %d before" % (uuid, column, written, known[0]))
    for column in after:
        if column.startswith(("ref:", "parent:")) and column.rpartition(":")[2] not in names:
            complete = False
    picture[uuid] = after
    name = after["fq_name"][1][-1]
    if name == "mark-" + QUEUE and "prop:display_name" in after:
        start(compare, after["prop:display_name"][1])
    return complete


finished = threading.Condition(lock)
workers = [Worker() for _ in range(WORKERS)]
everything_read = threading.Event()


def read_again(uuid):
    workers[hash(uuid) % WORKERS].add(uuid)


def heard(message):
    body = message.payload
    message.ack()
    with lock:
        counts["messages"] += 1
        uuid, is_delete = body["uuid"], body["oper"] == "DELETE"
        told = re.fullmatch("req-%s-(\\d+)" % re.escape(uuid), body["request-id"])
        if told:
            number = int(told[1])
            # What comes again after an outage is older than what is known.
            announced[uuid] = max((number, is_delete), announced.get(uuid, (-1, False)))
        if is_delete:
            names.pop(uuid, None)
        else:
            names[uuid] = (body["type"], ":".join(body["fq_name"]))
        read_again(uuid)


def consume():
    queue = Queue(QUEUE, Exchange("vnc_config.object-update", "fanout", durable=False, auto_delete=False), durable=False,
                  exclusive=False, auto_delete=False)
    connects = 0
    while True:
        with Connection(AMQP_URL) as connection:
            try:
                connection.ensure_connection(interval_start=0.1, interval_step=0.1, interval_max=0.5)
                connects += 1
                channel = connection.channel()
                if connects == 1:
                    queue(channel).delete()
                consumer = Consumer(channel, queue, on_message=heard)
                consumer.declare()
                say({"ready": connects})
                # Messages wait in the queue until all has been read once.
                everything_read.wait()
                consumer.consume()
                while True:
                    connection.drain_events()
            except connection.recoverable_connection_errors:
                pass


def read_everything(database):
    for kind in sorted(map(underscored, MODEL.types)):
        for name, uuid in database.names_of(kind):
            with lock:
                names.setdefault(uuid, (kind, name))
    with lock:
        for uuid in list(names):
            read_again(uuid)
        # Whoever refers to somebody unknown waits for a message, and these are read after this.
        while any(worker.waiting or worker.busy for worker in workers):
            finished.wait()
        say({"read": len(picture)})
    everything_read.set()


def compare(url):
    """Its picture with what REST tells, when it has nothing to do."""
    with lock:
        while not all(worker.is_idle() for worker in workers):
            finished.wait()
        rows, known = wanted(Rest(url))
        got = {uuid: {column: value for column, (_, value) in row.items()} for uuid, row in picture.items()}
        rows = {uuid: {column: value for column, value in row.items() if column >= "d"} for uuid, row in rows.items()}
        stop_if(differences("the picture of", got, rows))
        told = collections.defaultdict(dict)
        for uuid, (kind, name) in names.items():
            told[kind]["%s:%s" % (name, uuid)] = None
        stop_if(differences("names of", dict(told), {kind: dict.fromkeys(columns) for kind, columns in known.items()}))
        # Whoever was not there when a change was announced has to have been deleted after it.
        missed = {uuid: number for uuid, number in owed.items()
                  if uuid not in picture and not (announced[uuid][1] and announced[uuid][0] > number)}
        stop_if("%s was not there when number %d was announced" % item for item in missed.items())
        say({"equal": len(rows), **counts})


start(consume)
database = Database()
for worker in workers:
    start(worker.run, database)
start(read_everything, database)
threading.Event().wait()
