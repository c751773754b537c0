"""Writes one data file, and takes back one that came too late."""

from collections.abc import Sequence

from millstream_runtime.checkpoint_files.errors import changing
from millstream_runtime.checkpoint_files.layout import TRAILER_SIZE, TRAILER_TAIL
from millstream_runtime.file_systems import is_plain_name, locate
from millstream_runtime.messages.snapshots import FileRef


def write_data_file(directory: str, name: str, chunks: Sequence[bytes]) -> FileRef:
    """What `encode_snapshot` gave, durable when this returns (law 4.3). The path in the answer is `name`.

    `name` must be new: region attempt and a random part are in it (law 1.4). StorageRefusedError when there is no room
    or no permission, StorageUnreachableError when it is unknown whether the file is there.
    """
    if not is_plain_name(name):
        raise ValueError(f"{name!r} is no name of a data file in {directory}")
    trailer = chunks[-1]
    if len(trailer) != TRAILER_SIZE:
        raise ValueError(f"the chunks of {name} don't end as encode_snapshot ends them")
    with changing(f"{directory}/{name}", "written"):
        place = locate(directory) / name
        place.storage.write(place.path, chunks)
    checksum, _ = TRAILER_TAIL.unpack(trailer[-TRAILER_TAIL.size :])
    return FileRef(name, sum(map(len, chunks)), checksum)


def withdraw_data_file(directory: str, name: str) -> None:
    """Delete a data file whose checkpoint was given up meanwhile, and its directory if that holds nothing else.

    Whoever gave the checkpoint up has deleted its directory, perhaps before this file made it anew.
    """
    if not is_plain_name(name):
        raise ValueError(f"{name!r} is no name of a data file in {directory}")
    with changing(f"{directory}/{name}", "deleted"):
        home = locate(directory)
        home.storage.remove_file((home / name).path)
        if not home.storage.entries(home.path):
            home.storage.remove_tree(home.path)
