"""The files of records: what is in one, and what a store of several JobManagers calls them."""

import re

from millstream_jobmanager.store.sealed import DamagedError, unseal
from millstream_runtime.file_systems import Location
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.record import RECORD_FORMAT, JobRecord

FILE = re.compile(r"(?P<job>.+)\.(?P<version>[0-9]+)-(?P<incarnation>[0-9a-f]{8})-[0-9a-f]{16}\.record")
"""The name of a record's file."""


def read_record(place: Location) -> JobRecord:
    """A record's file; DamagedError says what is wrong with it."""
    try:
        return decoded_record(place.storage.read(place.path))
    except DamagedError as error:
        raise DamagedError(f"{place.path}: {error}") from error


def decoded_record(data: bytes) -> JobRecord:
    """What is in one, of whichever store; DamagedError doesn't name it."""
    try:
        record = decode(JobRecord, unseal(data))
    except MalformedMessageError as error:
        raise DamagedError(f"it is whole but can't be understood: {error}") from error
    if record.format > RECORD_FORMAT:
        raise DamagedError(f"it has format {record.format}, this Millstream reads {RECORD_FORMAT}; use a newer one")
    return record
