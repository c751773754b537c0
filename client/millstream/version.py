"""The version of the installed distribution, from its metadata: pyproject.toml is the only place that states it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("millstream")
except PackageNotFoundError:  # run from a checkout that nobody installed
    __version__ = "0+not.installed"
