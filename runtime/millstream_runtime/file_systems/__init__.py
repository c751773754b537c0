"""Where bytes outlive a process: directories on disk, and object stores. Every failure here is an OSError.

Read in this order:

* `errors`   which failures are refusals, and which leave it open whether the bytes were written
* `names`    which texts may become names of files
* `storage`  what checkpoints and the job store ask of a file system
* `local`    disks, written so that what is said to be there survives a power cut (law 4.3)
* `object_store` S3 and its like, by obstore: files that are published once, by one conditional write (law 1.4)
* `arrow`    everything else, by `pyarrow.fs`
* `location` from a path or URI to the file system that serves it
"""

from millstream_runtime.file_systems.errors import UncertainWriteError, is_refusal
from millstream_runtime.file_systems.location import Location, locate
from millstream_runtime.file_systems.names import is_plain_name
from millstream_runtime.file_systems.storage import OpenFile, Storage

__all__ = ["Location", "OpenFile", "Storage", "UncertainWriteError", "is_plain_name", "is_refusal", "locate"]
