"""ZooKeeper as Millstream uses it: a few questions and one transaction, each a future, each answer a value.

What kazoo raises is sorted here and nowhere else, for law 2.1 hangs on it: `Refused` where it is certain that nothing
of a transaction was done, `UnansweredError` where nobody knows, `ZooKeeperDeniedError` where asking again is no use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState

from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.session import Session, Sockets

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it was read."""

    data: bytes
    version: int
    """How often its data were changed."""
    owner: int
    """The session that it ends with; 0 for one that stays."""


@dataclass(frozen=True, slots=True)
class Check:
    """It is there, and of this version (None: of any)."""

    path: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """It isn't there, and then it is."""

    path: str
    data: bytes
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class SetData:
    """It has this version, and then other data."""

    path: str
    data: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Delete:
    """It has this version (None: any), and then it is gone."""

    path: str
    version: int | None = None


Operation = Check | Create | SetData | Delete


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of a transaction was done, for the operation of this place in it failed."""

    place: int
    reason: str


_DENIED = (NoAuthError, InvalidACLError)
_FAILED_CHECKS = (BadVersionError, NodeExistsError, NoNodeError)
_ECHOES = (RolledBackError, RuntimeInconsistency)


class ZooKeeper:
    """One session after the other. `listen` before `start`."""

    def __init__(self, client: KazooClient, sockets: Sockets, hosts: str, timeout: float) -> None:
        """`timeout`: seconds until a question counts as unanswered."""
        self._client = client
        self._session = Session(client, sockets)
        self.hosts = hosts
        self.timeout = timeout

    # ------------------------------------------------------------ the session

    @property
    def session_timeout(self) -> int:
        """Milliseconds, as the servers granted it; 0 before the first connection."""
        return self._session.granted

    @property
    def session(self) -> int:
        """Its id; changes with each new session."""
        identity: tuple[int | None, bytes] | None = self._client.client_id
        return 0 if identity is None else identity[0] or 0

    @property
    def denied(self) -> bool:
        """The servers have refused the name or password of this process. It goes on trying, for they may be mended."""
        return self._session.denied

    def hang_up(self) -> None:
        """The server that one is connected to doesn't answer: go to another one, in the same session."""
        self._session.hang_up()

    def listen(self, connected: Callable[[], None], interrupted: Callable[[], None], ended: Callable[[], None]) -> None:
        """Called in a thread of kazoo: a connection stands; it is gone, the session perhaps not; the session ended."""
        calls = {KazooState.CONNECTED: connected, KazooState.SUSPENDED: interrupted, KazooState.LOST: ended}

        def changed(state: str) -> None:
            calls[state]()

        self._client.add_listener(changed)

    def start(self) -> None:
        """Begin to connect, and never give up. Questions may be asked from now on."""
        self._session.start()

    def stop(self) -> None:
        """End the session, and all nodes that live with it. Blocks for a moment, for 4 s if ZooKeeper is silent."""
        self._session.stop()

    # ------------------------------------------------------------ questions

    def read(self, path: str, changed: Callable[[], None] | None = None) -> Future[Node | None]:
        """A node; None where there is none. `changed` is called once, in a thread of kazoo, when it has changed, come
        or gone, or when that may have happened unseen.
        """
        if changed is None:
            return _future(self._client.get_async(path), path, lambda found: _node(*found), missing=None)
        watch = changed
        # A question for its being there leaves a watch also where it isn't.
        seen = _future(self._client.exists_async(path, watch=lambda _: watch()), path, lambda stat: stat)
        return _then(seen, lambda stat: _done(None) if stat is None else self.read(path))

    def exists(self, path: str) -> Future[bool]:
        """Whether there is such a node; whoever may not read it is told that as well."""
        return _future(self._client.exists_async(path), path, lambda stat: stat is not None)

    def children(self, path: str) -> Future[list[str]]:
        """The names below a node; none where there is no such node."""
        return _future(self._client.get_children_async(path), path, sorted, missing=list[str]())

    def commit(self, operations: Sequence[Operation]) -> Future[Refused | None]:
        """All of them or none; None: done."""
        transaction = self._client.transaction()
        for operation in operations:
            match operation:
                case Check(path=path, version=version):
                    transaction.check(path, -1 if version is None else version)
                case Create(path=path, data=data, ephemeral=ephemeral):
                    transaction.create(path, data, ephemeral=ephemeral)
                case SetData(path=path, data=data, version=version):
                    transaction.set_data(path, data, version)
                case Delete(path=path, version=version):
                    transaction.delete(path, -1 if version is None else version)
        paths = ", ".join(operation.path for operation in operations)
        return _future(transaction.commit_async(), paths, lambda results: _judged(operations, results))

    async def make_path(self, path: str) -> None:
        """A node, and those above it, where they aren't there yet."""
        parts = path.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            above = "/" + "/".join(parts[:end])
            if not await self.answer(self.exists(above)):
                await self.answer(self.commit([Create(above, b"")]))  # somebody else's is as good

    def ask(self, question: Future[T], within: float | None = None) -> T:
        """Wait for it, in a thread that may block; `within` so many seconds where that is less than the timeout.
        UnansweredError when nobody answers.
        """
        seconds = self.timeout if within is None else max(0.0, min(self.timeout, within))
        try:
            return question.result(seconds)
        except TimeoutError:
            raise UnansweredError(self._silence(seconds)) from None

    async def answer(self, question: Future[T], within: float | None = None) -> T:
        """The same inside an asyncio loop."""
        seconds = self.timeout if within is None else min(self.timeout, within)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(question)
        except TimeoutError:
            raise UnansweredError(self._silence(seconds)) from None

    def _silence(self, seconds: float) -> str:
        doubt = f"; the last connection failed: {self._session.doubt}" if self._session.doubt else ""
        return f"ZooKeeper at {self.hosts} has not answered for {seconds:.3g} s{doubt}"


# ---------------------------------------------------------------- from kazoo's results to values


def _node(data: bytes, stat: Any) -> Node:  # noqa: ANN401  # kazoo has no types
    return Node(data, stat.version, stat.ephemeralOwner)


def _judged(operations: Sequence[Operation], results: Sequence[object]) -> Refused | None:
    for place, result in enumerate(results):
        if isinstance(result, _ECHOES) or not isinstance(result, Exception):
            continue
        if isinstance(result, _FAILED_CHECKS):
            return Refused(place, f"{type(result).__name__} of {operations[place].path}")
        raise _sorted(result, operations[place].path)
    if any(isinstance(result, Exception) for result in results):
        raise UnansweredError(f"ZooKeeper gave no answer that tells what was done ({results})")
    return None


def _sorted(error: Exception, path: str) -> Exception:
    words = str(error) or type(error).__name__
    if isinstance(error, _DENIED):
        return ZooKeeperDeniedError(
            f"ZooKeeper doesn't let this process use {path} ({type(error).__name__}): it was made by somebody with "
            "another name or password"
        )
    if isinstance(error, KazooException | KazooTimeoutError | OSError):
        return UnansweredError(f"ZooKeeper gave no answer ({words})")
    return error


def _future(
    asked: Any,  # noqa: ANN401  # kazoo has no types
    path: str,
    made: Callable[[Any], T],
    **missing: Any,  # noqa: ANN401  # one value at most: what stands for a node that isn't there
) -> Future[T]:
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def answered(asked: Any) -> None:  # noqa: ANN401  # as above
        error = asked.exception
        try:
            if error is None:
                future.set_result(made(asked.value))
            elif missing and isinstance(error, NoNodeError):
                future.set_result(missing["missing"])
            else:
                raise _sorted(error, path)
        except Exception as wrong:  # noqa: BLE001  # whoever asked gets it
            future.set_exception(wrong)

    asked.rawlink(answered)
    return future


def _then(first: Future[Any], second: Callable[[Any], Future[T]]) -> Future[T]:
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def passed(done: Future[T]) -> None:
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(error)

    def seen(done: Future[Any]) -> None:
        error = done.exception()
        if error is None:
            second(done.result()).add_done_callback(passed)
        else:
            future.set_exception(error)

    first.add_done_callback(seen)
    return future


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
