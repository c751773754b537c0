"""Which texts may become names of files. Job ids come from clients, so `../../etc` is one of them some day."""

import re

# None of the letters means anything to a shell's path, to a URI or to an object store.
_PLAIN = re.compile(r"[0-9A-Za-z_\[][0-9A-Za-z_.\[\]@#=+,-]{0,199}")


def is_plain_name(name: str) -> bool:
    """One component of a path: not hidden, not a way upwards, no query and no escape of a URI."""
    return _PLAIN.fullmatch(name) is not None
