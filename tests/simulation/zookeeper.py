"""A virtual ZooKeeper with the face of the real one (`runtime.leadership.zookeeper`): nodes with versions, sessions
that end when their client was silent for too long, ephemeral nodes, watches, transactions.

What is asked while a connection breaks is done or not, perhaps much later, and unanswered in each case. A client that
was cut off asks again by itself: what it asked meanwhile is carried out when it is back in the same session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from millstream_jobmanager.store.fence import CHECKS
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.zookeeper import (
    Check,
    Create,
    Delete,
    Node,
    Operation,
    Refused,
    SetData,
    ZooKeeper,
)
from tests.simulation.fibres import AtOnce, Fibre
from tests.simulation.process import Process
from tests.simulation.world import World

T = TypeVar("T")

SESSION_TIMEOUT = 2_000
ASK_TIMEOUT = 600
"""Milliseconds after which a question counts as unanswered."""

MOST_QUESTIONS = 150
"""In a second, of one client."""


@dataclass(slots=True)
class Session:
    """Lives as long as its client isn't silent for too long."""

    id: int
    silent_since: int | None = None


class Quorum:
    """All servers together: they have a majority, or nobody is answered and no session ends."""

    def __init__(self, world: World, committed: Callable[[Operation], None]) -> None:
        """`committed` looks at each change that takes effect."""
        self.world = world
        self.up = True
        self.nodes: dict[str, Node] = {"/": Node(b"", 0, 0)}
        self.sessions: dict[int, Session] = {}
        self.clients: list[VirtualZooKeeper] = []
        self.unanswered = 0.0
        """How often a connection breaks with what was asked."""
        self._committed = committed
        self._opened = 0

    # ------------------------------------------------------------ sessions

    def open_session(self) -> Session:
        """A new one."""
        self._opened += 1
        session = self.sessions[self._opened] = Session(self._opened)
        return session

    def silent(self, session: Session) -> None:
        """Its client isn't heard any more."""
        if session.silent_since is None:
            session.silent_since = now = self.world.now
            self.world.at(now + SESSION_TIMEOUT, lambda: self._overdue(session, now))

    def _overdue(self, session: Session, since: int) -> None:
        if self.up and session.silent_since == since:
            self.expire(session, "after its silence")

    def expire(self, session: Session, why: str) -> None:
        """It ends, and the nodes that live with it."""
        if self.sessions.pop(session.id, None) is None:
            return
        self.world.say("zk", f"ends session {session.id} {why}")
        for path in [path for path, node in self.nodes.items() if node.owner == session.id]:
            del self.nodes[path]
            self._changed(path)
        for client in self.clients:
            client.session_ended(session)

    def lose_majority(self, time: int) -> None:
        """For some time nobody is answered."""
        if self.up:
            self.world.say("zk", f"has lost its majority for {time} ms")
            self.up = False
            for client in self.clients:
                client.cut(0)
            self.world.at(self.world.now + time, self.regain_majority)

    def regain_majority(self) -> None:
        """Sessions go on; those that nobody comes back to end after their time."""
        if not self.up:
            self.world.say("zk", "has a majority again")
            self.up = True
            for session in list(self.sessions.values()):
                if session.silent_since is not None:
                    session.silent_since = None
                    self.silent(session)

    # ------------------------------------------------------------ nodes

    def commit(self, operations: Sequence[Operation], session: int) -> Refused | None:
        """All or none."""
        nodes = dict(self.nodes)
        for place, operation in enumerate(operations):
            problem = _apply(nodes, operation, session)
            if problem:
                return Refused(place, f"{problem} of {operation.path}")
        self.nodes = nodes
        for operation in operations:
            if not isinstance(operation, Check):
                self.world.guard(partial(self._committed, operation))
                self._changed(operation.path)
        return None

    def _changed(self, path: str) -> None:
        for client in self.clients:
            client.node_changed(path)


def _apply(nodes: dict[str, Node], operation: Operation, session: int) -> str | None:
    known = nodes.get(operation.path)
    match operation:
        case Create(path=path, data=data, ephemeral=ephemeral):
            if known is not None:
                return "NodeExistsError"
            if (path.rpartition("/")[0] or "/") not in nodes:
                return "NoNodeError"
            nodes[path] = Node(data, 0, session if ephemeral else 0)
        case Check(version=version) | SetData(version=version) | Delete(version=version):
            if known is None:
                return "NoNodeError"
            if version not in (None, known.version):
                return "BadVersionError"
            if isinstance(operation, Delete):
                del nodes[operation.path]
            elif isinstance(operation, SetData):
                nodes[operation.path] = replace(known, data=operation.data, version=known.version + 1)
    return None


class VirtualZooKeeper(ZooKeeper):
    """The client in one process."""

    def __init__(self, quorum: Quorum, process: Process) -> None:
        self.hosts = "virtual:2181"
        self.timeout = ASK_TIMEOUT / 1_000
        self._quorum = quorum
        self._process = process
        self._world = quorum.world
        self._own: Session | None = None
        self._link = 0
        """Counts connections: what was sent through one isn't answered through another."""
        self._linked = False
        self._stopped = False
        self._asked = (0, 0)
        self._breaks = False
        self._reachable_at = 0
        self._in_flight: list[Future[object]] = []
        self._queue: list[tuple[Callable[[int], object], Future[object]]] = []
        self._watches: dict[str, list[Callable[[], None]]] = {}
        self._missed: set[str] = set()
        self._listeners: tuple[Callable[[], None], ...] = ()
        quorum.clients.append(self)
        process.on_stop(self._process_stopped)

    # ------------------------------------------------------------ the session

    @property
    def session_timeout(self) -> int:
        """As asked for."""
        return SESSION_TIMEOUT

    @property
    def session(self) -> int:
        """Its number."""
        return 0 if self._own is None else self._own.id

    @property
    def denied(self) -> bool:
        """Never."""
        return False

    @property
    def answers(self) -> bool:
        """Nothing stands between it and the servers."""
        return self._linked and self._quorum.up

    def listen(self, connected: Callable[[], None], interrupted: Callable[[], None], ended: Callable[[], None]) -> None:
        """As the real one."""
        self._listeners = connected, interrupted, ended

    def _tell(self, number: int) -> None:
        if self._listeners:
            self._process.do(self._listeners[number])

    def start(self) -> None:
        """Connect, and never give up."""
        self._process.after(0, 20, self._connect)

    def hang_up(self) -> None:
        """The connection goes, and another one comes."""
        self.cut(0)

    def stop(self) -> None:
        """End the session."""
        self._stopped, self._linked = True, False
        if self._own is not None:
            self._quorum.expire(self._own, "as its client wishes")

    def _connect(self) -> None:
        if self._linked or self._stopped:
            return
        if not self._quorum.up or self._world.now < self._reachable_at:
            self._process.after(20, 150, self._connect)
            return
        self._linked = True
        self._link += 1
        if self._own is not None and self._own.id in self._quorum.sessions:
            self._own.silent_since = None
            for path in sorted(self._missed):
                self._fire(path)
        else:
            if self._own is not None:
                self._end_session()
            self._own = self._quorum.open_session()
        self._missed.clear()
        self._tell(0)
        queue, self._queue = self._queue, []
        for effect, future in queue:
            self._send(effect, future)

    def _end_session(self) -> None:
        """It ended while nobody was there to hear of it."""
        self._tell(2)
        for _, future in self._queue:
            _unanswered(future)
        self._queue = []
        for path in sorted(self._watches):
            self._fire(path)

    def cut(self, time: int) -> None:
        """The connection is gone, for some time at least; the client notices by and by."""
        self._reachable_at = max(self._reachable_at, self._world.now + time)
        if not self._linked:
            return
        self._linked = False
        if self._own is not None:
            self._quorum.silent(self._own)
        self._process.after(0, min(time, SESSION_TIMEOUT * 2 // 3), self._notice)

    def _notice(self) -> None:
        lost, self._in_flight = self._in_flight, []
        for future in lost:
            _unanswered(future)
        self._tell(1)
        self._process.after(10, 100, self._connect)

    def break_at_next_write(self) -> None:
        """The connection goes with it, until somebody else may lead."""
        self._breaks = True

    def session_ended(self, session: Session) -> None:
        """The servers close the connection of a session that has ended."""
        if self._own is session and self._linked:
            self.cut(0)

    def _process_stopped(self, until: int) -> None:
        """What is stopped is silent."""
        if self._linked and self._own is not None:
            session = self._own
            self._quorum.silent(session)
            self._world.at(until, lambda: self._went_on(session))

    def _went_on(self, session: Session) -> None:
        if self._process.alive and self._world.now >= self._process.awake_at and self._linked:
            session.silent_since = None

    def process_died(self) -> None:
        """Nobody keeps the session alive any more."""
        self._stopped, self._linked = True, False
        self._quorum.clients.remove(self)
        if self._own is not None:
            self._quorum.silent(self._own)

    # ------------------------------------------------------------ questions

    def read(self, path: str, changed: Callable[[], None] | None = None) -> Future[Node | None]:
        """As the real one."""

        def effect(_: int) -> Node | None:
            if changed is not None:
                self._watches.setdefault(path, []).append(changed)
            return self._quorum.nodes.get(path)

        return self._ask(effect)

    def exists(self, path: str) -> Future[bool]:
        """As the real one."""
        return self._ask(lambda _: path in self._quorum.nodes)

    def children(self, path: str) -> Future[list[str]]:
        """As the real one."""
        nodes = self._quorum
        return self._ask(lambda _: sorted(name[len(path) + 1 :] for name in nodes.nodes if name.startswith(f"{path}/")))

    def commit(self, operations: Sequence[Operation]) -> Future[Refused | None]:
        """As the real one; what comes late is subject to the fence alone."""
        ephemeral = any(isinstance(operation, Create) and operation.ephemeral for operation in operations)

        def effect(session: int) -> Refused | None:
            if ephemeral and session not in self._quorum.sessions:
                return Refused(0, "the session has ended")
            return self._quorum.commit(operations, session)

        return self._ask(effect, 1.0 if len(operations) > CHECKS else 0.2)  # leases are renewed all the time

    def ask(self, question: Future[T], within: float | None = None) -> T:
        """In a thread, which waits."""
        if not question.done():
            Fibre.current().wait(question, ASK_TIMEOUT)
        if not question.done():
            raise UnansweredError(self._silence(self.timeout))
        return question.result()

    def _silence(self, seconds: float) -> str:
        return f"ZooKeeper has not answered for {seconds:.3g} s"

    def _ask(self, effect: Callable[[int], T], weight: float = 0.0) -> Future[T]:
        """`weight`: how much a broken connection means to it."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        world = self._world
        self._count_questions(world.now // 1_000)
        if not self._linked:
            self._queue.append((effect, future))  # type: ignore[arg-type]  # whatever it answers goes into its own future
        elif world.chance(self._quorum.unanswered * weight) or (self._breaks and weight == 1.0):
            self._send(effect, future)  # type: ignore[arg-type]  # as above
            long = self._breaks or world.chance(0.2)
            self._breaks = False
            time = SESSION_TIMEOUT + world.number(0, 1_000) if long else world.number(0, 400)
            world.after(0, 8, lambda: self.cut(time))
        elif (not self._in_flight and world.chance(0.5)) or isinstance(Fibre._current, AtOnce):
            # At once: half of all steps have nothing between them and the next.
            future.set_result(effect(self.session))
        else:
            self._send(effect, future)  # type: ignore[arg-type]  # as above
        return future

    def _count_questions(self, second: int) -> None:
        """A client that asks without a pause would be an attack on the servers."""
        self._asked = (second, self._asked[1] + 1 if self._asked[0] == second else 1)
        if self._asked[1] > MOST_QUESTIONS:
            self._world.fail(AssertionError(f"{self._process.name} asks ZooKeeper {self._asked[1]} times in a second"))

    def _send(self, effect: Callable[[int], object], future: Future[object]) -> None:
        self._in_flight.append(future)
        self._world.after(1, 6, partial(self._arrive, self._link, self.session, effect, future))

    def _arrive(self, link: int, session: int, effect: Callable[[int], object], future: Future[object]) -> None:
        """At the servers. Of a connection that broke on the way some arrives nevertheless, some of it late."""
        world = self._world
        if self._linked and self._link == link and self._quorum.up:
            answer = effect(session)
            world.after(1, 6, lambda: self._process.do(lambda: self._answer(link, future, answer)))
        elif world.chance(0.5):
            soonest = 0 if world.chance(0.4) else SESSION_TIMEOUT  # another leads then, perhaps
            world.after(soonest, soonest + 500, lambda: self._late(session, effect))

    def _late(self, session: int, effect: Callable[[int], object]) -> None:
        if self._quorum.up and not self._world.over:
            effect(session)

    def _answer(self, link: int, future: Future[object], answer: object) -> None:
        if self._link == link and future in self._in_flight:
            self._in_flight.remove(future)
            future.set_result(answer)

    # ------------------------------------------------------------ watches

    def node_changed(self, path: str) -> None:
        """Told at once, or when the connection stands again."""
        if self._linked:
            self._fire(path)
        else:
            self._missed.add(path)

    def _fire(self, path: str) -> None:
        for call in self._watches.pop(path, ()):
            self._process.after(0, 10, call)


def _unanswered(future: Future[object]) -> None:
    if not future.done():
        future.set_exception(UnansweredError("ZooKeeper gave no answer (the connection was lost)"))
