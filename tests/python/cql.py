"""Sessions of Cassandra's driver, set up as those have them that read the configuration."""
from cassandra import ConsistencyLevel, ProtocolVersion
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster
from cassandra.policies import ConstantReconnectionPolicy
from cassandra.query import tuple_factory

# What the Python daemons limit the driver to; version 4 is the newest of these that is served.
ProtocolVersion.SUPPORTED_VERSIONS = (6, 5, 4, 3, 2)

KEYSPACE = "config_db_uuid"
PAGE_SIZE = 5000


def cluster(hosts, port, user=None, password=None, **more):
    """A cluster of these servers, all on one port."""
    provider = PlainTextAuthProvider(username=user, password=password) if user else None
    # A host that was away is tried again after a tenth of a second and not after minutes, so that a test need not wait; and on a
    # machine that does much else, none is away because it took a few seconds to answer.
    patience = {"connect_timeout": 60, "control_connection_timeout": 60, **more}
    return Cluster(hosts, port=port, auth_provider=provider, reconnection_policy=ConstantReconnectionPolicy(0.1, None),
                   **patience)


def session(of, keyspace=None, page_size=PAGE_SIZE):
    """A session as daemons have one for each table: rows are tuples, and a quorum answers."""
    made = of.connect()
    if keyspace:
        made.set_keyspace(keyspace)
    made.row_factory = tuple_factory
    made.default_consistency_level = ConsistencyLevel.QUORUM
    made.default_fetch_size = page_size
    made.default_timeout = 120
    return made


def quoted(text):
    """A text in a statement."""
    return "'%s'" % text.replace("'", "''")


def blob(text):
    """A text that is bytes there, as the Python daemons write it."""
    return "textAsBlob(%s)" % quoted(text)


def hexadecimal(text):
    """The same as the C++ daemons write it."""
    return "0x" + text.encode().hex()
