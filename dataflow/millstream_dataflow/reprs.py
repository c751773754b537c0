"""A user's values and exceptions as text, for messages about them. Code of the user's (`__repr__`, `__str__`) runs
there, and whatever it does must not hide the error that is being told.
"""

import reprlib
from typing import Final

RECORD_LIMIT: Final = 1_000
"""Characters: enough to find the record, little enough for a log line and a message (law 3.3)."""

MESSAGE_LIMIT: Final = 8 << 10
"""Characters of an error's words, which may be megabytes."""


def bounded_repr(value: object) -> str:
    """A value as a person sees it, in at most `RECORD_LIMIT` characters and three dots."""
    text = _own_repr(value) if isinstance(value, str | int | float) else _printed(_WHOLE, value)
    return text if len(text) <= RECORD_LIMIT else f"{text[:RECORD_LIMIT]}..."


def short_repr(value: object) -> str:
    """The same in a few words, for a place within a sentence."""
    return _printed(_SHORT, value)


def error_text(error: BaseException) -> str:
    """`ValueError: its words`, as a traceback ends; at most `MESSAGE_LIMIT` characters."""
    name = type(error).__name__
    try:
        words = str(error)
    except BaseException:  # noqa: BLE001  # user code: it may even call sys.exit(), or raise KeyboardInterrupt
        words = _unprintable(error)
    return bounded(f"{name}: {words}" if words else name, MESSAGE_LIMIT)


def bounded(text: str, limit: int) -> str:
    """The text; of one that has more than `limit` characters the beginning, and how many there were."""
    if len(text) <= limit:
        return text
    end = f"... ({len(text):,} characters)"
    return text[: limit - len(end)] + end


class _Repr(reprlib.Repr):
    def repr_instance(self, x: object, level: int) -> str:  # its signature
        """Its own representation. Reprlib's would show where in memory it lies if it has none, and cut its middle."""
        text = _own_repr(x)
        return text if len(text) <= self.maxother else f"{text[: self.maxother]}..."


def _own_repr(value: object) -> str:
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001  # as above
        return _unprintable(value)


def _printed(style: reprlib.Repr, value: object) -> str:
    try:
        return style.repr(value)
    except BaseException:  # noqa: BLE001  # as above
        return _unprintable(value)


def _unprintable(value: object) -> str:
    return f"<unprintable {type(value).__name__}>"


# A record is shown whole in all ordinary cases; what is cut are collections in it.
_WHOLE = _Repr()
_WHOLE.maxstring = _WHOLE.maxother = RECORD_LIMIT
_WHOLE.maxtuple = _WHOLE.maxlist = _WHOLE.maxdict = _WHOLE.maxset = _WHOLE.maxfrozenset = 50
_WHOLE.maxlong = 200
_SHORT = _Repr()
