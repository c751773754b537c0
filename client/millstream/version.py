"""The version of the installed distribution."""

from millstream_runtime.versions import own_version

__version__ = own_version()
