"""Which names from outside are taken: they become keys, lines in the log and names of files."""

import re

from millstream_jobmanager.service.refusals import invalid

_JOB = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TASKMANAGER = re.compile(r"[0-9A-Za-z._-]{1,64}")
MAX_WORDS = 1000
"""Characters of a job's name, of a request's and of a path: they stand in the record, which is small."""


def check_job(job: str) -> None:
    """RefusalError for what is no job id."""
    if not _JOB.fullmatch(job):
        raise invalid(f"{job[:80]!r} is no job id; it has 32 hexadecimal digits")


def check_digest(digest: str) -> None:
    """RefusalError for what is no digest."""
    if not _DIGEST.fullmatch(digest):
        raise invalid(f"{digest[:80]!r} is no SHA-256 in 64 hexadecimal digits")


def check_words(what: str, words: str) -> None:
    """RefusalError for what is too long to be kept."""
    if len(words) > MAX_WORDS:
        raise invalid(f"{what} has {len(words)} characters, {MAX_WORDS} at most are kept")


def is_taskmanager(name: str) -> bool:
    """It can name a TaskManager."""
    return bool(_TASKMANAGER.fullmatch(name))
