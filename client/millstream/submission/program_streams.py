"""The program's stdout and stderr as what its tasks print goes there."""

import errno
import os
import sys
from typing import TextIO

from millstream.submission.brief import OutputClosedError, OutputLostError


class ProgramStreams:
    """Those that the program has at each moment: pytest and notebooks put their own in the place of others.

    A stdout that the program was started without can't be written. A program without a stderr, or with a stream that
    it has closed or taken away, sees nothing. What a stream can't encode is replaced.
    """

    def __init__(self) -> None:
        self._lost = set[bool]()
        """Those, True for stderr, that take nothing any more: one error of each is enough."""

    def write(self, text: str, *, error_stream: bool) -> None:
        """OutputClosedError when nobody reads the stream any more, OutputLostError when it can't be written."""
        stream: TextIO | None = sys.stderr if error_stream else sys.stdout
        missed = stream is None and not error_stream and sys.__stdout__ is None
        if error_stream in self._lost or (not missed and (stream is None or stream.closed)):
            return
        try:
            if stream is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            _write_replacing(stream, text)
            stream.flush()
        except BrokenPipeError as error:
            self._lost.add(error_stream)
            raise OutputClosedError(*error.args) from error
        except OSError as error:
            self._lost.add(error_stream)
            name = "stderr" if error_stream else "stdout"
            message = f"what the job prints can't be written to {name}: {error.strerror or error}"
            raise OutputLostError(message) from error


def _write_replacing(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        stream.write(text.encode(error.encoding, errors="replace").decode(error.encoding))
