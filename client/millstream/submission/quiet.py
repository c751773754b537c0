"""gRPC without its own lines on stderr, for a client says in a sentence why it can't connect.

Its core writes a line for each handshake that fails, some ten a second. How much it may say it reads when it is
imported, so whoever takes it from here has it with less. A GRPC_VERBOSITY that somebody has set stays; ours goes again,
for it isn't meant for the processes that the program starts.
"""

import os

_VERBOSITY = "GRPC_VERBOSITY"
_IS_SET = _VERBOSITY in os.environ

os.environ.setdefault(_VERBOSITY, "ERROR")

import grpc  # noqa: E402  # see above

if not _IS_SET:
    del os.environ[_VERBOSITY]

__all__ = ["grpc"]
