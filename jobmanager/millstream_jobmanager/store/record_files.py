"""The files in which a store of several JobManagers keeps records: what they are called, and what is in them."""

import re

from millstream_jobmanager.store.sealed import DamagedError, unseal
from millstream_runtime.file_systems import Location
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.record import RECORD_FORMAT, JobRecord

FILE = re.compile(r"(?P<job>.+)\.(?P<version>[0-9]+)-(?P<incarnation>[0-9a-f]{8})-[0-9a-f]{16}\.record")
"""The name of a record's file."""


def read_record(place: Location) -> JobRecord:
    """A record's file; DamagedError says what is wrong with it."""
    return decoded_record(place, place.storage.read(place.path))


def decoded_record(place: Location, data: bytes) -> JobRecord:
    """What is in it; the place is for the words of DamagedError."""
    try:
        record = decode(JobRecord, unseal(data))
    except DamagedError as error:
        raise DamagedError(f"{place.path}: {error}") from error
    except MalformedMessageError as error:
        raise DamagedError(f"{place.path} is whole but can't be understood: {error}") from error
    if record.format > RECORD_FORMAT:
        text = f"{place.path} has format {record.format}, this Millstream reads {RECORD_FORMAT}; use a newer one"
        raise DamagedError(text)
    return record
