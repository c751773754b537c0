"""Safe connections: who is a member of the cluster, who is a client, how each side proves it (docs/security.md).

Read in this order:

* `setting_file` a file that a key of the configuration names, and what is said when it is wrong
* `pem_files`    a certificate, its key and the authorities that are trusted, as three such files
* `private_keys` keys with a password (with `checking` the only part that needs `cryptography`)
* `checking`     what is wrong with them, found at a process's start
* `renewing`     a value made of files, and made anew when they change: renewed certificates need no restart
* `internal`     mutual TLS between members: TaskManager and JobManager, worker and worker
* `clients`      TLS between clients and the JobManager
* `hello`        which of the two a connection at the JobManager's one port asks for
* `tokens`       the tokens of clients
* `disagreement` what it means that gRPC can't connect
"""

from millstream_runtime.security.clients import ClientTls, client_tls
from millstream_runtime.security.disagreement import disagreement
from millstream_runtime.security.hello import IncompleteHelloError, asked_name
from millstream_runtime.security.internal import (
    GRPC_OPTIONS,
    INTERNAL_NAME,
    InternalTls,
    NotAMemberError,
    check_member,
    internal_tls,
)
from millstream_runtime.security.tokens import (
    AUTHORIZATION,
    AcceptedTokens,
    accepted_tokens,
    authorization,
    client_token,
    shown_token,
)

__all__ = [
    "AUTHORIZATION",
    "GRPC_OPTIONS",
    "INTERNAL_NAME",
    "AcceptedTokens",
    "ClientTls",
    "IncompleteHelloError",
    "InternalTls",
    "NotAMemberError",
    "accepted_tokens",
    "asked_name",
    "authorization",
    "check_member",
    "client_tls",
    "client_token",
    "disagreement",
    "internal_tls",
    "shown_token",
]
