"""Why a module or a name of PyFlink's isn't there, and what to use instead. Nearer ones count: a name before its
module, a module before the package that it is in.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from millstream.datastream.call_site import call_site
from millstream.errors import FacadeError
from millstream.pyflink.presented import NAMES

_NO_JAVA: Final = "it stands for a Java class, and no Java runs here"
_NO_CONNECTOR: Final = "this version has no connector for that; write a Source or a Sink (from_source, sink_to)"

REASONS: Final[Mapping[str, str]] = {
    "pyflink": "only common, datastream and metrics are presented",
    "pyflink.table": "this version has no Table API and no SQL; use the DataStream API",
    "pyflink.datastream.connectors": _NO_CONNECTOR,
    "pyflink.java_gateway": _NO_JAVA,
}
"""By `module` or `module.name`."""


def reason(module: str, name: str = "") -> str:
    """Why it isn't there; empty where there is nothing to say."""
    place = f"{module}.{name}" if name else module
    while place:
        if place in REASONS:
            return REASONS[place]
        place = place.rpartition(".")[0]
    return ""


def refuse_module(module: str) -> NoReturn:
    """FacadeError for a module that isn't presented."""
    raise FacadeError(f"Millstream doesn't present PyFlink's module {module}", reason(module), defined_at=call_site())


def refuse_name(module: str, name: str) -> NoReturn:
    """FacadeError for a name that isn't there."""
    if name not in NAMES[module]:
        homes = [other for other, names in NAMES.items() if name in names]
        mend = f"it is in {min(homes, key=len)}" if homes else ""
        raise FacadeError(f"PyFlink 2.3 has no public {name} in {module}", mend, defined_at=call_site())
    what = f"{module}.{name} isn't there in this version of Millstream"
    raise FacadeError(what, reason(module, name), defined_at=call_site())
