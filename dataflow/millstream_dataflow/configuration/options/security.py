"""Who may reach the cluster, and how connections are kept safe. Submitting a job is running code, so by default only
this host may.

There are two kinds of connections. **Internal** ones lie between processes of the cluster (TaskManager and JobManager,
worker and worker): both sides show a certificate of the cluster's own authority. Those of **clients** (Flink's
`rest`): the JobManager shows a certificate, the client a token, a certificate or both.
"""

from typing import Final

from millstream_dataflow.configuration.enums import TlsVersion
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL, PATH, STRING, maybe, one_of

INSECURE: Final = Option(
    "security.insecure",
    BOOL,
    default=False,
    meaning="Whether the processes may listen where other hosts reach them without TLS, although whoever does can run "
    "code there.",
    scope=Scope.CLUSTER,
    own=True,
)
TOKEN_FILE: Final = Option(
    "security.token-file",
    maybe(PATH),
    None,
    "The file of the tokens, one a line: a JobManager serves clients that show one of them, a client shows the first.",
    Scope.CLUSTER,
    own=True,
)
INTERNAL_ENABLED: Final = Option(
    "security.ssl.internal.enabled",
    BOOL,
    default=False,
    meaning="Whether connections between processes of the cluster use TLS, and both sides show a certificate.",
    scope=Scope.CLUSTER,
)
_PEM: Final = FlinkDifference("certificates and keys are PEM files")
INTERNAL_KEYSTORE: Final = Option(
    "security.ssl.internal.keystore",
    maybe(PATH),
    None,
    "PEM file of the certificate, and of its private key, with which a process of the cluster shows that it is one.",
    Scope.CLUSTER,
    flink=_PEM,
)
INTERNAL_KEY: Final = Option(
    "security.ssl.internal.key",
    maybe(PATH),
    None,
    "PEM file of the private key, where the keystore doesn't hold it.",
    Scope.CLUSTER,
    own=True,
)
INTERNAL_KEY_PASSWORD: Final = Option(
    "security.ssl.internal.key-password",
    maybe(STRING),
    None,
    "The password of the private key, where it has one.",
    Scope.CLUSTER,
    secret=True,
)
INTERNAL_TRUSTSTORE: Final = Option(
    "security.ssl.internal.truststore",
    maybe(PATH),
    None,
    "PEM file of the authority that signs the certificates of this cluster's processes.",
    Scope.CLUSTER,
    flink=_PEM,
)
REST_ENABLED: Final = Option(
    "security.ssl.rest.enabled",
    BOOL,
    default=False,
    meaning="Whether connections of clients with the JobManager use TLS.",
    scope=Scope.CLUSTER,
)
REST_KEYSTORE: Final = Option(
    "security.ssl.rest.keystore",
    maybe(PATH),
    None,
    "PEM file of the certificate, and of its private key, that the JobManager shows to clients; of a client, the one "
    "that it shows.",
    Scope.CLUSTER,
    flink=_PEM,
)
REST_KEY: Final = Option(
    "security.ssl.rest.key",
    maybe(PATH),
    None,
    "PEM file of the private key, where the keystore doesn't hold it.",
    Scope.CLUSTER,
    own=True,
)
REST_KEY_PASSWORD: Final = Option(
    "security.ssl.rest.key-password",
    maybe(STRING),
    None,
    "The password of the private key, where it has one.",
    Scope.CLUSTER,
    secret=True,
)
REST_TRUSTSTORE: Final = Option(
    "security.ssl.rest.truststore",
    maybe(PATH),
    None,
    "PEM file of the authorities that a client trusts to name the JobManager (without it, those of the system), and "
    "that the JobManager trusts to name clients.",
    Scope.CLUSTER,
    flink=_PEM,
)
REST_AUTHENTICATION_ENABLED: Final = Option(
    "security.ssl.rest.authentication-enabled",
    BOOL,
    default=False,
    meaning="Whether clients must show a certificate.",
    scope=Scope.CLUSTER,
)
PROTOCOL: Final = Option(
    "security.ssl.protocol",
    one_of(TlsVersion),
    TlsVersion.TLS_1_3,
    "The oldest version of TLS that is spoken.",
    Scope.CLUSTER,
    flink=FlinkDifference("every side is of our own, and newer", default="TLSv1.2"),
)

GROUP: Final = Group(
    "Security",
    "Who may reach the cluster, and how connections are kept safe.",
    (
        INSECURE,
        TOKEN_FILE,
        INTERNAL_ENABLED,
        INTERNAL_KEYSTORE,
        INTERNAL_KEY,
        INTERNAL_KEY_PASSWORD,
        INTERNAL_TRUSTSTORE,
        REST_ENABLED,
        REST_KEYSTORE,
        REST_KEY,
        REST_KEY_PASSWORD,
        REST_TRUSTSTORE,
        REST_AUTHENTICATION_ENABLED,
        PROTOCOL,
    ),
)
