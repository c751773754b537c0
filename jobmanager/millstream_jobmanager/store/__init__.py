"""The job store: what must outlive a JobManager, and the lock that lets one lead at a time (laws 1.2 and 2).

Read in this order:

* `answers`  how a write ends, and what can be wrong with a store
* `contract` what every job store does
* `sealed`   small files that notice damage
* `lock`     one process at a time
* `records`  the records of jobs, in a directory
* `blobs`    graphs, functions and artifacts by SHA-256, in a directory
* `garbage`  when what no job needs is looked for, and what a job needs
* `local`    these together
* `fence`    what several JobManagers have instead of a lock
* `record_files`, `shared_records`, `shared_blobs`, `shared` the store of several JobManagers
* `salvage`  what lies in a storage directory, when there is nothing else
"""

from millstream_jobmanager.store.answers import (
    BlobMismatchError,
    StoreAnswer,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreWriteError,
)
from millstream_jobmanager.store.contract import JobStore
from millstream_jobmanager.store.local import LocalJobStore

__all__ = [
    "BlobMismatchError",
    "JobStore",
    "LocalJobStore",
    "StoreAnswer",
    "StoreDamagedError",
    "StoreError",
    "StoreLockedError",
    "StoreWriteError",
]
