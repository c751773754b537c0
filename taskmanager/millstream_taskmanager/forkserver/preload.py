"""What every worker inherits: modules that are imported already, settings of libraries and of the allocator.

Nothing here computes: a child of a process that has used a thread pool hangs. With the environment that `command`
gives to the exec, numpy and pyarrow leave one thread.
"""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Final

import pyarrow as pa

from millstream_runtime.versions import own_versions

# Ours, and what user code is likely to need: 0.5 s for all of them, which no worker has to wait for.
_MODULES: Final = (
    "cloudpickle",
    "msgspec",
    "numpy",
    "pyarrow",
    "pyarrow.compute",
    "pyarrow.fs",
    "millstream_taskmanager.worker.main",
)

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_MMAP_BYTES: Final = (
    32 << 20
)  # the most that glibc takes; larger blocks are mapped, and cleared by the kernel, each time
_TRIM_BYTES: Final = 256 << 20  # so much freed memory is kept; numpy's partition runs at 235 M rows/s instead of 59

_GC_THRESHOLDS: Final = (50_000, 20, 50)  # a collection over a million tuples costs 51 ms


def preload(extra: Iterable[str]) -> None:
    """Import everything. `extra` are modules by name, such as connectors; one that can't be imported is left out, as
    the worker that needs it will say why. What they print is passed on now, or each worker would have it in its buffer.
    """
    for name in _MODULES:
        import_module(name)
    for name in extra:
        with contextlib.suppress(Exception):
            import_module(name)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # such a module may have closed it
            stream.flush()
    own_versions()  # remembered: to look them up takes 8 ms
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def tune() -> None:
    """Settings that children keep. What lives by now is never looked at by the collector again, nor are the 700 small
    objects of garbage that the imports leave: to find them takes 50 ms.
    """
    _tune_allocator()
    gc.freeze()
    gc.enable()
    gc.set_threshold(*_GC_THRESHOLDS)


def _tune_allocator() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc's; others have none, or another
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
