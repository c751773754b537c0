"""The versions of this process. They travel in every job graph and every registration: functions travel as bytecode."""

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from millstream_dataflow.job_graph import Versions


def own_version() -> str:
    """Millstream's own, from the installed distribution: pyproject.toml is the only place that states it."""
    try:
        return version("millstream")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "0+not.installed"


@cache
def own_versions() -> Versions:
    """What must agree between processes. Bytecode is the same within a minor version of Python."""
    return Versions(
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        millstream=own_version(),
        cloudpickle=version("cloudpickle"),
        pyarrow=version("pyarrow"),
    )
