"""The answers over HTTP/1: `GET /livez` and `GET /readyz`, one a connection, of whatever else with a refusal.

Small enough to be read whole, which is why it is no library: a stranger's bytes meet 4 KiB, 5 s and one split.
"""

import asyncio
import re
from http import HTTPStatus
from typing import Final

from millstream_runtime.health.state import LIVENESS, READINESS, HealthState, trouble
from millstream_runtime.running_limit import running_limit

MAX_REQUEST: Final = 4 << 10
"""Bytes of the head of a request; those of the usual probes have 200."""
REQUEST_TIME: Final = 5.0
"""Seconds until it is there."""

_QUESTIONS: Final = {"/livez": LIVENESS, "/readyz": READINESS}
_END: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}) ([!-~]+) HTTP/1\.[0-9]")


class HttpAnswers:
    """Serves connections that began with something else than HTTP/2's preface."""

    def __init__(self, state: HealthState) -> None:
        self._state = state

    async def serve(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; whoever calls closes the connection. OSError when it breaks."""
        try:
            async with running_limit(REQUEST_TIME):
                head = await _head(first, reader)
                if head is None:  # the client is gone
                    return
                writer.write(self._answer(head))
                await writer.drain()
        except TimeoutError:
            writer.write(_response(HTTPStatus.REQUEST_TIMEOUT, "late"))

    def _answer(self, head: bytes) -> bytes:
        if not _END.search(head):
            return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "large")
        request = _REQUEST.fullmatch(head.splitlines()[0].decode("latin-1"))
        if request is None:
            return _response(HTTPStatus.BAD_REQUEST, "malformed")
        method, target = request.groups()
        question = _QUESTIONS.get(target.partition("?")[0])
        with_body = method != "HEAD"
        if question is None:
            return _response(HTTPStatus.NOT_FOUND, "unknown", with_body=with_body)
        if method not in ("GET", "HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "method", "Allow: GET, HEAD\r\n")
        reason = trouble(self._state, question)
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        return _response(status, reason or "ok", with_body=with_body)


async def _head(first: bytes, reader: asyncio.StreamReader) -> bytes | None:
    """All of it, or the most that is read of one; None when the client has closed its side before the end."""
    head = first
    while not _END.search(head) and len(head) < MAX_REQUEST:
        more = await reader.read(MAX_REQUEST - len(head))
        if not more:
            return None
        head += more
    return head


def _response(status: HTTPStatus, word: str, headers: str = "", *, with_body: bool = True) -> bytes:
    body = f"{word}\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n{headers}\r\n"
    )
    return (head + (body if with_body else "")).encode()
