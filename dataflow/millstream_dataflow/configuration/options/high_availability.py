"""Who leads among several JobManagers, and what outlives them: their job store."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least
from millstream_dataflow.configuration.containers import MAP
from millstream_dataflow.configuration.enums import HighAvailability, ZooKeeperAcl
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL, LOCATION, SHARED_LOCATION, STRING, maybe, one_of
from millstream_dataflow.configuration.quantities import DURATION

TYPE: Final = Option(
    "high-availability.type",
    one_of(HighAvailability, {"org.apache.flink.runtime.highavailability.zookeeper": HighAvailability.ZOOKEEPER}),
    HighAvailability.NONE,
    "Who elects the leader: NONE, a single JobManager, which recovers its jobs from its store when it starts again; or "
    "ZOOKEEPER, among any number of them.",
    Scope.CLUSTER,
    flink=FlinkDifference("jobs survive the JobManager with NONE as well"),
    deprecated_keys=("high-availability",),
)
STORAGE_DIR: Final = Option(
    "high-availability.storageDir",
    maybe(SHARED_LOCATION),
    None,
    "The directory of the job store: job graphs, functions, records of jobs. An absolute path or a URI (without "
    "ZooKeeper one of file://); without it, $XDG_STATE_HOME/millstream or ~/.local/state/millstream (an embedded "
    "cluster: a temporary one). With ZooKeeper all JobManagers must reach it.",
    Scope.CLUSTER,
    flink=FlinkDifference("a submit is acknowledged when the job is stored, so there always is a store"),
    deprecated_keys=("high-availability.zookeeper.storageDir", "recovery.zookeeper.storageDir"),
)
CLUSTER_ID: Final = Option(
    "high-availability.cluster-id",
    STRING,
    "default",
    "Tells clusters apart that share a ZooKeeper and a storageDir: the name of this one's directory in both.",
    Scope.CLUSTER,
    deprecated_keys=("high-availability.zookeeper.path.namespace",),
)
QUORUM: Final = Option(
    "high-availability.zookeeper.quorum",
    maybe(STRING),
    None,
    "The servers of ZooKeeper, host:port with commas between.",
    Scope.CLUSTER,
    deprecated_keys=("recovery.zookeeper.quorum",),
)
PATH_ROOT: Final = Option(
    "high-availability.zookeeper.path.root",
    STRING,
    "/millstream",
    "The node of ZooKeeper below which the clusters have theirs.",
    Scope.CLUSTER,
    flink=FlinkDifference("the two may share a ZooKeeper", default="/flink"),
    deprecated_keys=("recovery.zookeeper.path.root",),
)
SESSION_TIMEOUT: Final = Option(
    "high-availability.zookeeper.client.session-timeout",
    DURATION,
    timedelta(seconds=60),
    "How long a JobManager may be out of touch with ZooKeeper until another one may lead.",
    Scope.CLUSTER,
    check=at_least(timedelta(seconds=1), "1 s"),
    deprecated_keys=("recovery.zookeeper.client.session-timeout",),
)
CONNECTION_TIMEOUT: Final = Option(
    "high-availability.zookeeper.client.connection-timeout",
    DURATION,
    timedelta(seconds=15),
    "How long a process waits for an answer of ZooKeeper.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=100), "100 ms"),
    deprecated_keys=("recovery.zookeeper.client.connection-timeout",),
)
TOLERATE_SUSPENDED: Final = Option(
    "high-availability.zookeeper.client.tolerate-suspended-connections",
    BOOL,
    default=False,
    meaning="Whether a leader whose connection to ZooKeeper is interrupted goes on deciding, until its session would "
    "have ended; it can't store anything meanwhile.",
    scope=Scope.CLUSTER,
    flink=FlinkDifference(
        "with false an interrupted leader pauses until it is back in the same session, it doesn't give up its office"
    ),
)
ACL: Final = Option(
    "high-availability.zookeeper.client.acl",
    one_of(ZooKeeperAcl),
    ZooKeeperAcl.OPEN,
    "Who may read and change this cluster's nodes in ZooKeeper: everybody (open), or whoever made them (creator).",
    Scope.CLUSTER,
)
AUTHORIZATION: Final[Option[Mapping[str, str]]] = Option(
    "high-availability.zookeeper.client.authorization",
    MAP,
    {},
    "How the processes prove themselves to ZooKeeper, by scheme: digest:NAME:PASSWORD.",
    Scope.CLUSTER,
    secret=True,
)
SASL_USER: Final = Option(
    "high-availability.zookeeper.client.sasl.username",
    maybe(STRING),
    None,
    "The name with which the processes prove themselves to ZooKeeper by SASL (DIGEST-MD5).",
    Scope.CLUSTER,
    own=True,
)
SASL_PASSWORD_FILE: Final = Option(
    "high-availability.zookeeper.client.sasl.password-file",
    maybe(LOCATION),
    None,
    "The file whose first line is the password to that name.",
    Scope.CLUSTER,
    own=True,
)
SSL_ENABLED: Final = Option(
    "high-availability.zookeeper.client.ssl.enabled",
    BOOL,
    default=False,
    meaning="Whether connections to ZooKeeper use TLS; the ports of the quorum are its secure ones then.",
    scope=Scope.CLUSTER,
    own=True,
)
SSL_TRUSTSTORE: Final = Option(
    "high-availability.zookeeper.client.ssl.truststore",
    maybe(LOCATION),
    None,
    "PEM file of the authorities that may sign ZooKeeper's certificates; without it, those of the system.",
    Scope.CLUSTER,
    own=True,
)
SSL_KEYSTORE: Final = Option(
    "high-availability.zookeeper.client.ssl.keystore",
    maybe(LOCATION),
    None,
    "PEM file of the certificate, and of its private key, that the processes show to ZooKeeper.",
    Scope.CLUSTER,
    own=True,
)
SSL_KEY: Final = Option(
    "high-availability.zookeeper.client.ssl.key",
    maybe(LOCATION),
    None,
    "PEM file of the private key, where the keystore doesn't hold it.",
    Scope.CLUSTER,
    own=True,
)

EXPIRATION_TIME: Final = Option(
    "jobstore.expiration-time",
    DURATION,
    timedelta(hours=1),
    "How long the record of a job that has ended is kept, so that it is listed and a repeated submit does not run it "
    "again.",
    Scope.CLUSTER,
    check=at_least(timedelta(seconds=1), "1 s"),
)

GROUP: Final = Group(
    "High availability",
    "Who leads among several JobManagers, and what outlives them.",
    (
        TYPE,
        STORAGE_DIR,
        CLUSTER_ID,
        QUORUM,
        PATH_ROOT,
        SESSION_TIMEOUT,
        CONNECTION_TIMEOUT,
        TOLERATE_SUSPENDED,
        ACL,
        AUTHORIZATION,
        SASL_USER,
        SASL_PASSWORD_FILE,
        SSL_ENABLED,
        SSL_TRUSTSTORE,
        SSL_KEYSTORE,
        SSL_KEY,
        EXPIRATION_TIME,
    ),
)
