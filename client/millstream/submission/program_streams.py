"""The program's stdout and stderr as what its tasks print goes there."""

import sys
from typing import TextIO

from millstream.submission.brief import OutputClosedError, OutputLostError


class ProgramStreams:
    """Those that the program has at each moment: pytest and notebooks put their own in the place of others.

    A program without one, or with one that it has closed, sees nothing, as of its own prints. What a stream can't
    encode is replaced.
    """

    def __init__(self) -> None:
        self._lost = set[bool]()
        """Those, True for stderr, that take nothing any more: one error of each is enough."""

    def write(self, text: str, *, error_stream: bool) -> None:
        """OutputClosedError when nobody reads the stream any more, OutputLostError when it can't be written."""
        stream: TextIO | None = sys.stderr if error_stream else sys.stdout
        if stream is None or stream.closed or error_stream in self._lost:
            return
        try:
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
