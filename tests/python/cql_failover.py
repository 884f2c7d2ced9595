"""A reader of two servers, one of which is killed while it reads page by page.

    cql_failover.py PORT HOST HOST

Says `halfway` when it has half of the pages, `done` when it has all, and `again` when the killed server is up again and asked; it
goes on when there is a line for it on standard input. No row may be missing or come twice, and no request may fail.
"""
import json
import sys
import threading

from cassandra.policies import HostStateListener
from cassandra.query import SimpleStatement

from checks import same
from cql import KEYSPACE, cluster, session

PORT, *HOSTS = sys.argv[1:]
ALL = "SELECT blobAsText(key), blobAsText(column1), value FROM \"obj_uuid_table\""


def say(text):
    print(text, flush=True)


class Ups(HostStateListener):
    """Waits for servers to come back."""

    def __init__(self):
        self.up = threading.Semaphore(0)

    def on_up(self, host):
        self.up.release()

    def on_add(self, host):
        pass

    def on_down(self, host):
        say("down %s" % host.address)

    def on_remove(self, host):
        pass


def told(row):
    """What it says: servers may write the same JSON in another order."""
    key, column, value = row
    return key, column, json.loads(value)


of = cluster(HOSTS, int(PORT))
reader = session(of, KEYSPACE, page_size=50)
same("servers that the driver knows", sorted(host.address for host in of.metadata.all_hosts()), sorted(HOSTS))
whole = [told(row) for row in session(of, KEYSPACE).execute(ALL)]
listener = Ups()
of.register_listener(listener)
asked = set()


def asks(result):
    asked.update(host.address for host in result.response_future.attempted_hosts)
    return result


# The driver goes on as soon as it has connections to one of them

for number in range(10000):
    if asked == set(HOSTS):
        break
    asks(reader.execute("SELECT COUNT(*) FROM \"obj_uuid_table\""))
same("who can be asked", asked, set(HOSTS))
asked.clear()

# Pages, from whoever's turn it is

result = asks(reader.execute(SimpleStatement(ALL)))
rows = [told(row) for row in result.current_rows]
halfway = len(whole) // 2
while result.has_more_pages:
    if len(rows) >= halfway > 0:
        halfway = 0
        say("halfway")
        sys.stdin.readline()
    result.fetch_next_page()
    asks(result)
    rows.extend(told(row) for row in result.current_rows)
same("who was asked", asked, set(HOSTS))
same("number of rows", len(rows), len(whole))
for got, wanted in zip(rows, whole):
    same("a row", got, wanted)
for number in range(200):
    same("rows of one answer", len(list(reader.execute("SELECT COUNT(*) FROM \"obj_uuid_table\""))), 1)
say("done")
sys.stdin.readline()
listener.up.acquire()
say("again")
asked.clear()
for number in range(20):
    asks(reader.execute("SELECT COUNT(*) FROM \"obj_uuid_table\""))
same("who is asked again", asked, set(HOSTS))
of.shutdown()
