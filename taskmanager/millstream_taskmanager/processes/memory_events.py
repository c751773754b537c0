"""Whether the kernel has killed a process for want of memory: it counts, per control group or for the whole machine.

A count says that somebody was killed, not who. Together with a SIGKILL that we didn't send it is as good as a name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_OWN_GROUP: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")
_MACHINE: Final = Path("/proc/vmstat")
_COUNTER: Final = "oom_kill"


def memory_kills() -> int | None:
    """How many processes were killed so far; None where the kernel doesn't say."""
    for path in (_group_events(), _MACHINE):
        if path is not None and (count := _counters(path).get(_COUNTER)) is not None:
            return count
    return None


def _group_events() -> Path | None:
    """Of the second version of control groups, which has one hierarchy: `0::/path`."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        return None
    paths = [line.removeprefix("0::") for line in lines if line.startswith("0::")]
    return _GROUPS / paths[0].lstrip("/") / "memory.events" if paths else None


def _counters(path: Path) -> Mapping[str, int]:
    try:
        pairs = (line.split() for line in path.read_text().splitlines())
        return {name: int(value) for name, value in pairs}
    except (OSError, ValueError):
        return {}
