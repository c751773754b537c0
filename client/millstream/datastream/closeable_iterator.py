"""The records of a running job, as they arrive."""

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

from millstream.errors import ExecutionError
from millstream.execution.job_client import JobClient
from millstream.execution.user_view import WITHOUT_OUR_FRAMES

T = TypeVar("T")


class CloseableIterator(Iterator[T], Generic[T]):
    """What `execute_and_collect` gives. Close it, or use it in a `with`: a job that nobody listens to is cancelled,
    also where the iterator is just dropped.

    >>> with stream.execute_and_collect() as records:
    ...     for record in records: ...
    """

    def __init__(self, records: Iterator[T], client: JobClient) -> None:
        self._records = records
        self._client = client
        self._open = True
        # At the program's end whoever runs the job decides about it: an embedded cluster ends, another one goes on.
        self._abandoned = weakref.finalize(self, client.cancel)
        self._abandoned.atexit = False

    def __next__(self) -> T:
        """The next record; what the job failed with, when it did."""
        try:
            with WITHOUT_OUR_FRAMES:
                return next(self._records)
        except (StopIteration, ExecutionError):  # the job has ended, one way or the other
            self._open = False
            self._abandoned.detach()
            raise
        except KeyboardInterrupt:  # the iterator goes with the program, and what becomes of the job is said elsewhere
            self._abandoned.detach()
            raise

    def next(self) -> T:
        """PyFlink's name for `next(records)`."""
        return next(self)

    def close(self) -> None:
        """Cancel the job unless all of its records were taken. A second call does nothing."""
        if self._open:
            self._open = False
            self._abandoned.detach()
            with WITHOUT_OUR_FRAMES:
                self._client.cancel().result()

    def __enter__(self) -> "CloseableIterator[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
