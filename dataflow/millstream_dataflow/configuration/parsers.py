"""How a value is read from text and written back.

Every source of configuration (YAML scalars, environment variables, ``-D``, the strings of a job graph) delivers
text, so one parser a type serves them all. Each one also renders: ``parse(render(value)) == value`` is the law
that lets a configuration travel in a job graph, and a property test holds it for every parser.
"""

from __future__ import annotations

import enum
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)


class Shape(enum.Enum):
    """What a YAML file may hold for the value: one scalar, a sequence, or a mapping."""

    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"


@dataclass(frozen=True)
class Parser(Generic[T]):
    """Reads and renders one type of value.

    ``read`` raises ``ValueError`` for text it does not accept; when the error has a message, it says what
    exactly is wrong. ``accepts`` completes the sentence "accepted is ...".
    """

    kind: str
    accepts: str
    read: Callable[[str], T]
    write: Callable[[T], str]
    holds: Callable[[Any], bool]
    shape: Shape = Shape.SCALAR

    def parse(self, text: str) -> T:
        """The value that ``text`` spells; ``ValueError`` when it spells none."""
        return self.read(text.strip())

    def render(self, value: T) -> str:
        """The text that :meth:`parse` reads back as ``value``."""
        return self.write(value)


def _refuse(reason: str = "") -> ValueError:
    return ValueError(reason) if reason else ValueError()


def is_plain_text(text: str) -> bool:
    """Whether ``text`` is not empty, has no blanks at its ends, and can stand on one line of a file."""
    return bool(text) and text == text.strip() and text.isprintable()


def _read_string(text: str) -> str:
    if not is_plain_text(text):
        raise _refuse("it is empty or holds a control character")
    return text


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _refuse()
    return text.lower() == "true"


def _read_int(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise _refuse()
    return int(text)


def _read_float(text: str) -> float:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text):
        raise _refuse()
    value = float(text)
    if not math.isfinite(value):
        raise _refuse("it is too large")
    return value


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


STRING: Parser[str] = Parser("string", "any text on one line", _read_string, str, lambda v: isinstance(v, str))
BOOL: Parser[bool] = Parser(
    "boolean", "true or false", _read_bool, lambda v: "true" if v else "false", lambda v: isinstance(v, bool)
)
INT: Parser[int] = Parser("integer", "a whole number", _read_int, str, _is_int)
FLOAT: Parser[float] = Parser("float", "a number such as 1.5", _read_float, repr, lambda v: isinstance(v, float))


def maybe(parser: Parser[T], word: str = "none") -> Parser[T | None]:
    """``parser``, where ``word`` spells the absence of a value (``None``), so that ``-D`` can unset a key."""

    def read(text: str) -> T | None:
        return None if text.lower() == word else parser.read(text)

    def write(value: T | None) -> str:
        return word if value is None else parser.write(value)

    accepts = f"{parser.accepts}, or '{word}'"
    return Parser(parser.kind, accepts, read, write, lambda v: v is None or parser.holds(v), parser.shape)


def one_of(members: type[E], aliases: Mapping[str, E] | None = None) -> Parser[E]:
    """The values of an enumeration, read without regard to case and to ``-`` or ``_``; ``aliases`` are other names."""

    def normal(text: str) -> str:
        return text.lower().replace("_", "-")

    by_name = {normal(str(member.value)): member for member in members}
    by_name.update({normal(name): member for name, member in (aliases or {}).items()})

    def read(text: str) -> E:
        if normal(text) not in by_name:
            raise _refuse()
        return by_name[normal(text)]

    names = [str(member.value) for member in members]
    accepts = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]
    accepts += f" (also {', '.join(aliases)})" if aliases else ""
    return Parser("enum", accepts, read, lambda v: str(v.value), lambda v: isinstance(v, members))


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        return all(re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})", label) for label in labels)
    return True


def _read_host(text: str) -> str:
    if not _is_host(text):
        raise _refuse()
    return text


HOST: Parser[str] = Parser(
    "host", "a host name or an IP address, without a port", _read_host, str, lambda v: isinstance(v, str)
)


@dataclass(frozen=True)
class HostPort:
    """A host (name or IP address, IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _read_host_port(text: str) -> HostPort:
    found = re.fullmatch(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})", text)
    if found is None:
        raise _refuse()
    host = found["six"] or found["host"]
    port = int(found["port"])
    if not _is_host(host) or (found["six"] and ":" not in host):
        raise _refuse(f"{host!r} is no host")
    if port > 65535:
        raise _refuse(f"port {port} is above 65535")
    return HostPort(host, port)


HOST_PORT: Parser[HostPort] = Parser(
    "host:port",
    "host:port, an IPv6 address in brackets",
    _read_host_port,
    str,
    lambda v: isinstance(v, HostPort),
)


def _read_location(text: str) -> str:
    if not is_plain_text(text):
        raise _refuse("it is empty or holds a control character")
    if "://" in text and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise _refuse("its scheme is malformed")
    if text.startswith("~"):
        raise _refuse("~ is not replaced, write the whole path")
    return text


def _read_shared_location(text: str) -> str:
    text = _read_location(text)
    if "://" not in text and not text.startswith("/"):
        raise _refuse("it is relative, so each process would take it from its own working directory")
    return text


def _read_path(text: str) -> str:
    text = _read_location(text)
    if "://" in text and not text.startswith("file://"):
        raise _refuse("it must be on a disk of this host")
    return text


LOCATION: Parser[str] = Parser(
    "location",
    "a path, or a URI such as s3://bucket/directory",
    _read_location,
    str,
    lambda v: isinstance(v, str),
)
SHARED_LOCATION: Parser[str] = Parser(
    "location",
    "an absolute path, or a URI such as s3://bucket/directory",
    _read_shared_location,
    str,
    lambda v: isinstance(v, str),
)
PATH: Parser[str] = Parser("path", "a path on a disk of this host", _read_path, str, lambda v: isinstance(v, str))
