"""What a program is told that imports a module or a name that isn't there: what it is, why, and what to do."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, NoReturn

from millstream.datastream.call_site import call_site
from millstream.errors import FacadeError
from millstream.pyflink.absent import reason
from millstream.pyflink.homes import NOT_THERE, found
from millstream.pyflink.presented import NAMES

_IN_MEMORY: Final = (
    "PyFlink 1 had it: leave it out, state lies in memory, and checkpoints where execution.checkpointing.dir says"
)
_TIME_SAID: Final = "PyFlink 1 had it: leave it out, windows and timers say which time they go by"

FORMER: Final[Mapping[str, str]] = {
    "ExternalizedCheckpointCleanup": "PyFlink 1 had it: take ExternalizedCheckpointRetention",
    "FsStateBackend": _IN_MEMORY,
    "MemoryStateBackend": _IN_MEMORY,
    "RocksDBStateBackend": _IN_MEMORY,
    "TimeCharacteristic": _TIME_SAID,
    "time_characteristic": _TIME_SAID,
}
"""Names and modules that PyFlink 2 has no more, and programs of its users still import."""


def refuse_module(module: str) -> NoReturn:
    """FacadeError for a module that isn't presented."""
    what = f"Millstream doesn't present PyFlink's module {module}"
    why = reason(module)
    if not why and module.startswith(("pyflink.common.", "pyflink.datastream.", "pyflink.metrics.")):
        package, _, name = module.rpartition(".")
        beside = [other.rpartition(".")[2] for other in NAMES if other.rpartition(".")[0] == package]
        raise FacadeError(
            f"PyFlink 2.3 has no public module {module}",
            FORMER.get(name) or _nearest(name, beside),
            defined_at=call_site(),
        )
    raise FacadeError(what, why or "only common, datastream and metrics are presented", defined_at=call_site())


def refuse_name(module: str, name: str) -> NoReturn:
    """FacadeError for a name that isn't there."""
    if name in NAMES[module]:
        what = f"{module}.{name} isn't there in this version of Millstream"
        raise FacadeError(what, reason(module, name), defined_at=call_site())
    raise FacadeError(f"PyFlink 2.3 has no public {name} in {module}", _instead(module, name), defined_at=call_site())


def _instead(module: str, name: str) -> str:
    """Where it is, if anywhere; whether it is there; or what may have been meant."""
    homes = [other for other, names in NAMES.items() if name in names]
    if not homes:
        there = [other for other in NAMES[module] if found(module, other) is not NOT_THERE]
        return FORMER.get(name, "") or _nearest(name, there)
    home = min(homes, key=len)
    if found(home, name) is not NOT_THERE:
        return f"it is in {home}"
    return f"it is in {home}, but isn't there in this version of Millstream: {reason(home, name)}"


def _nearest(name: str, names: Iterable[str]) -> str:
    return "".join(f"did you mean {near}?" for near in get_close_matches(name, [*names], 1, 0.8))
