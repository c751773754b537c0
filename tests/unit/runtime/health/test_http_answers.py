"""The port as curl and kubelets see it, and what strangers can do there: nothing."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from millstream_runtime.door.door import Limits
from millstream_runtime.health import http_answers, port
from tests.unit.runtime.health.conftest import Opened

Open = Callable[[], AbstractAsyncContextManager[Opened]]


async def said(number: int, data: bytes, *, ends: bool = False) -> bytes:
    """All that a connection hears that says this, and, with `ends`, nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    try:
        writer.write(data)
        if ends:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def sends_without_end(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(os.urandom(1 << 16))
        await writer.drain()


async def status(number: int, data: bytes) -> tuple[int, str]:
    """The status and the body."""
    head, _, body = (await said(number, data)).decode().partition("\r\n\r\n")
    version, code, _ = head.split(" ", 2)
    assert version == "HTTP/1.1"
    assert f"Content-Length: {len(body)}\r\n" in f"{head}\r\n"
    assert "Connection: close" in head
    return int(code), body.strip()


async def test_a_process_that_lives_and_is_ready_says_ok(opened: Open) -> None:
    async with opened() as health:
        for path in (b"/livez", b"/readyz", b"/readyz?verbose=1"):
            request = b"GET " + path + b" HTTP/1.1\r\nHost: somewhere\r\nUser-Agent: kube-probe/1.31\r\n\r\n"
            assert await status(health.port, request) == (200, "ok")


async def test_what_is_not_ready_lives_and_what_does_not_live_is_not_ready(opened: Open) -> None:
    live, ready = b"GET /livez HTTP/1.1\r\n\r\n", b"GET /readyz HTTP/1.1\r\n\r\n"
    async with opened() as health:
        health.state.not_ready = "unregistered"
        assert await status(health.port, live) == (200, "ok")
        assert await status(health.port, ready) == (503, "unregistered")
        health.state.not_live = "forkserver"
        assert await status(health.port, live) == (503, "forkserver")
        assert await status(health.port, ready) == (503, "forkserver")
        health.state.not_live = health.state.not_ready = None
        assert await status(health.port, ready) == (200, "ok")


async def test_http_1_0_and_bare_line_feeds_are_understood(opened: Open) -> None:
    async with opened() as health:
        assert await status(health.port, b"GET /livez HTTP/1.0\r\n\r\n") == (200, "ok")
        assert await status(health.port, b"GET /livez HTTP/1.0\n\n") == (200, "ok")


async def test_head_has_the_length_of_a_body_that_it_does_not_send(opened: Open) -> None:
    async with opened() as health:
        answer = await said(health.port, b"HEAD /livez HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\n")
        assert b"Content-Length: 3\r\n" in answer


@pytest.mark.parametrize(
    ("request_line", "code"),
    [
        (b"GET / HTTP/1.1", 404),
        (b"GET /livez/ HTTP/1.1", 404),
        (b"POST /elsewhere HTTP/1.1", 404),
        (b"POST /livez HTTP/1.1", 405),
        (b"DELETE /readyz HTTP/1.1", 405),
        (b"GET /livez", 400),
        (b"GET /livez HTTP/2.0", 400),
        (b"get out of here please", 400),
        (b"\x16\x03\x01\x00\xff\x00", 400),
        (b"GET /livez HTTP/1.1\x00", 400),
    ],
)
async def test_anything_else_is_refused(opened: Open, request_line: bytes, code: int) -> None:
    async with opened() as health:
        assert (await status(health.port, request_line + b"\r\n\r\n"))[0] == code
        assert health.state.asked == 0


async def test_of_pipelined_requests_one_is_answered(opened: Open) -> None:
    async with opened() as health:
        assert await status(health.port, b"GET /livez HTTP/1.1\r\n\r\n" * 50) == (200, "ok")
        assert health.state.asked == 1


async def test_more_than_a_request_has_is_refused_with_an_answer_that_arrives(opened: Open) -> None:
    async with opened() as health:
        large = b"GET /livez HTTP/1.1\r\nX: " + b"x" * http_answers.MAX_REQUEST
        assert (await status(health.port, large))[0] == 431
        fits = b"GET /livez HTTP/1.1\r\nX: " + b"x" * (http_answers.MAX_REQUEST - 28) + b"\r\n\r\n"
        assert len(fits) == http_answers.MAX_REQUEST
        assert await status(health.port, fits) == (200, "ok")


async def test_a_stranger_s_stream_without_end_is_cut_off(opened: Open) -> None:
    async with opened() as health:
        reader, writer = await asyncio.open_connection("127.0.0.1", health.port)
        with pytest.raises(ConnectionError):
            await sends_without_end(writer)
        writer.close()
        await asyncio.gather(reader.read(), writer.wait_closed(), return_exceptions=True)
        assert await status(health.port, b"GET /livez HTTP/1.1\r\n\r\n") == (200, "ok")


@pytest.mark.parametrize("data", [b"", b"GE", b"GET /livez HTTP/1.1\r\nX:"])
async def test_a_client_that_goes_in_the_middle_gets_nothing(opened: Open, data: bytes) -> None:
    async with opened() as health:
        assert await said(health.port, data, ends=True) == b""


async def test_a_client_that_is_late_is_told_so(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answers, "REQUEST_TIME", 0.02)
    async with opened() as health:
        assert await status(health.port, b"GET /livez HTTP/1.1\r\nX:") == (408, "late")


async def test_one_that_says_nothing_is_closed(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "LIMITS", Limits(greeting=0.02))
    async with opened() as health:
        assert await said(health.port, b"GE") == b""


@pytest.mark.parametrize("data", [b"", b"GET /livez HTTP/1.1\r\nX-Slow:"])
async def test_however_many_hold_their_places_a_probe_gets_one(opened: Open, data: bytes) -> None:
    async with opened() as health:
        held = [await asyncio.open_connection("127.0.0.1", health.port) for _ in range(2 * port.LIMITS.connections)]
        for _, writer in held:
            writer.write(data)
        try:
            assert await status(health.port, b"GET /livez HTTP/1.1\r\n\r\n") == (200, "ok")
        finally:
            for _, writer in held:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for _, writer in held), return_exceptions=True)
