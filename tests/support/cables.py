"""What lies between two hosts, and can be cut: nothing passes then, and nobody is told.

`Proxy` needs no privileges: it stands before a port of loopback. `Switch` is a bridge with network namespaces around
it, whose links it takes down; it needs root.
"""

import asyncio
import os
import subprocess
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress

Address = tuple[str, int]


class Proxy:
    """Passes on what arrives, both ways, unless it is cut."""

    def __init__(self, here: Address, there: Address) -> None:
        self.carried = 0
        self._here = here
        self._there = there
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._whole.set()
        self._over = asyncio.Event()
        self._tasks = set[asyncio.Task[None]]()
        self._writers = set[asyncio.StreamWriter]()
        listens = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listens,), name=f"proxy at {here}")
        self._thread.start()
        listens.wait()

    def cut(self) -> None:
        """From now on nothing passes, an end of a connection neither. New ones are accepted and lead nowhere."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """What waited passes."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def close(self) -> None:
        """Nothing is left of it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self, listens: threading.Event) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listens))

    async def _serve(self, listens: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, *self._here)
        listens.set()
        await self._over.wait()
        server.close()
        await asyncio.sleep(0)  # in which those are made that were just accepted
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # also of those that have ended: what nobody took keeps them open
            writer.transport.abort()
        await asyncio.sleep(0)  # in which the loop closes what was aborted

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = self._loop.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._whole.wait()
            to_there, from_there = await asyncio.open_connection(*self._there)
        except OSError:
            writer.close()
            return
        self._writers.add(from_there)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry(reader, from_there))
            group.create_task(self._answer(to_there, writer))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What comes back."""
        await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):  # one end is gone, and so is the other then
                while data := await reader.read(65_536):
                    await self._whole.wait()
                    self.carried += len(data)
                    writer.write(data)
                    await writer.drain()
            await self._whole.wait()
        finally:
            writer.close()


def can_make_namespaces() -> bool:
    """Whether a Switch can be made here, where there is `ip`."""
    if os.geteuid() != 0:
        return False
    name = f"msprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=True)
    return made


class Switch:
    """Network namespaces of one's own around a bridge: host 0 is this one, the others have an `ip netns` name."""

    def __init__(self) -> None:
        self._tag = f"{os.getpid() % 100_000}"
        self._net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self._bridge = f"msb{self._tag}"

    def address(self, host: int) -> str:
        """Of a host."""
        return f"{self._net}.{host + 1}"

    def command(self, host: int) -> tuple[str, ...]:
        """Runs what follows on that host; its pid is that of what follows."""
        return ("ip", "netns", "exec", self._name(host))

    def cut(self, host: int) -> None:
        """Nothing leaves or reaches it."""
        _ip("link", "set", self._link(host), "down")

    def mend(self, host: int) -> None:
        """It is there again."""
        _ip("link", "set", self._link(host), "up")

    @contextmanager
    def standing(self, hosts: int) -> Generator[None]:
        """The bridge and so many namespaces; gone afterwards."""
        with ExitStack() as made:
            _ip("link", "add", self._bridge, "type", "bridge")
            made.callback(_ip, "link", "del", self._bridge)
            _ip("addr", "add", f"{self.address(0)}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
            for host in range(1, hosts + 1):
                name, link = self._name(host), self._link(host)
                _ip("netns", "add", name)
                made.callback(_ip, "netns", "del", name)
                _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
                _ip("link", "set", link, "master", self._bridge, "up")
                _ip("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
                _ip("-n", name, "link", "set", "eth0", "up")
                _ip("-n", name, "link", "set", "lo", "up")
            yield

    def _name(self, host: int) -> str:
        return f"ms{self._tag}-{host}"

    def _link(self, host: int) -> str:
        return f"msv{self._tag}-{host}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
