"""A door before two servers that say who they are, on both kinds of event loop."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from millstream.security.authorities import Pair
from millstream_runtime.door.door import FRAME_HEADER, PREFACE, SETTINGS_KIND, Door, Limits
from millstream_runtime.door.private_socket import private_socket
from millstream_runtime.door.welcome import Inner, Welcome
from millstream_runtime.security import INTERNAL_NAME, client_tls, internal_tls
from tests.support.certificates import WorkingSet, plain_contexts
from tests.support.loops import every_loop

GREETING = PREFACE + bytes([0, 0, 0, SETTINGS_KIND, 0, 0, 0, 0, 0])
"""All that a client must say."""


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A door takes accepted sockets in its hands."""
    return every_loop()


@dataclass
class House:
    """A door that is open, and what is behind it."""

    set: WorkingSet
    port: int = 0

    # ------------------------------------------------------------------------------------------------ who comes

    @property
    def member(self) -> ssl.SSLContext:
        """Of a process of the cluster."""
        return self.showing(self.set.issued())

    @property
    def client(self) -> ssl.SSLContext:
        """Of one without a certificate."""
        return self.showing(None, "rest")

    def showing(self, pair: Pair | None, trusting: str = "internal") -> ssl.SSLContext:
        """Of anybody."""
        return plain_contexts(pair, self.set.trusted(trusting))[1]

    @asynccontextmanager
    async def connected(
        self, tls: ssl.SSLContext | None = None, name: str = "localhost"
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection, behind its handshake."""
        given = {} if tls is None else {"ssl": tls, "server_hostname": name}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **given)  # type: ignore[arg-type]  # of TLS
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def welcomes(self, tls: ssl.SSLContext | None = None, name: str = "localhost") -> str:
        """Who answers to a greeting: "members", "clients", or nobody."""
        with suppress(OSError):
            async with self.connected(tls, name) as (reader, writer):
                writer.write(GREETING)
                return (await reader.readline()).decode().strip()
        return ""

    async def welcomes_member(self, tls: ssl.SSLContext | None = None) -> str:
        """The same for one that asks for the members' name."""
        return await self.welcomes(tls or self.member, INTERNAL_NAME)

    # ----------------------------------------------------------------------------------------------- what they meet

    async def serves(self, name: str, path: str) -> asyncio.Server:
        """Somebody who says his name to all who greet, and then listens."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                assert await reader.readexactly(len(GREETING)) == PREFACE + GREETING[-FRAME_HEADER:]
                writer.write(f"{name}\n".encode())
                while said := await reader.read(1 << 16):
                    writer.write(said)
                    await writer.drain()
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

        return await asyncio.start_unix_server(answer, path)


@asynccontextmanager
async def opened(
    set_: WorkingSet,
    directory: Path,
    *,
    internal: bool = True,
    rest: bool = True,
    limits: Limits | None = None,
    **settings: str,
) -> AsyncGenerator[House]:
    """A door with TLS of these kinds. `settings` as `WorkingSet.configuration` takes them."""
    switches = {"internal_enabled": str(internal).lower(), "rest_enabled": str(rest).lower()}
    configuration = set_.configuration(**switches, **settings)
    house = House(set_)
    async with AsyncExitStack() as stack:
        path = stack.enter_context(private_socket(str(directory)))
        inner = Inner(path, path if not internal and not rest else f"{path}.2")
        for name, at in dict(zip(("members", "clients"), (inner.members, inner.clients), strict=True)).items():
            if name == "members" or at != inner.members:
                await stack.enter_async_context(await house.serves(name, at))
        door = Door(Welcome(inner, internal_tls(configuration), client_tls(configuration, serving=True)), limits)
        house.port = await door.open("127.0.0.1", 0)
        stack.push_async_callback(door.close)
        yield house
