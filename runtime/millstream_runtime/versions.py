"""The versions of this process. They travel in every job graph and every registration: functions travel as bytecode."""

import os
import sys
from functools import cache

from millstream_dataflow.job_graph import Versions


def version_of(distribution: str) -> str | None:
    """Of an installed distribution; None when there is none of that name.

    The folder that an installer has made bears it in its name. Only where there is no such folder, Python's own way is
    gone: that reads headers of e-mails, whose modules take 30 ms to import.
    """
    beginning, end = f"{distribution}-", ".dist-info"
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208  # half the time of pathlib's
        except OSError:  # an archive, or not there
            continue
        for name in names:
            if name.startswith(beginning) and name.endswith(end):
                return name[len(beginning) : -len(end)]
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # see above

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def own_version() -> str:
    """Millstream's own, from the installed distribution: pyproject.toml is the only place that states it."""
    return version_of("millstream") or "0+not.installed"  # run from a checkout that nobody installed


@cache
def own_versions() -> Versions:
    """What must agree between processes. Bytecode is the same within a minor version of Python."""
    return Versions(
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        millstream=own_version(),
        cloudpickle=version_of("cloudpickle") or "none",
        pyarrow=version_of("pyarrow") or "none",
    )
