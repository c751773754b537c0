"""Questions to an operator of a running task, and their answers: `Ask` calls of clients, through the session of the
TaskManager that runs the task. The core has no part in it: a question changes nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from millstream_dataflow.identity import JobId, OperatorId, SessionId, SubtaskId, TaskId
from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.service.refusals import ended, invalid, not_found, not_now
from millstream_runtime.messages.session import FromJobManager, OperatorReply, OperatorRequest
from millstream_runtime.states import JOB_STATES, TaskState

Send = Callable[[SessionId, FromJobManager], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    session: SessionId
    answer: asyncio.Future[OperatorReply]


class Questions:
    """Those that wait for their answers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0

    async def ask(
        self, session: SessionId, task: TaskId, operator: OperatorId, payload: bytes, patience: float
    ) -> OperatorReply:
        """RefusalError when no answer comes within `patience` seconds, or the session ends before."""
        self._number += 1
        number = self._number
        future: asyncio.Future[OperatorReply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Waiting(session, future)
        try:
            self._send(session, OperatorRequest(number, task, operator, payload))
            async with asyncio.timeout(patience):
                return await future
        except TimeoutError:
            raise not_now(f"task {task} gave no answer within {patience:g} s; ask again") from None
        finally:
            del self._waiting[number]

    def answered(self, session: SessionId, reply: OperatorReply) -> None:
        """An answer arrived; nobody waits for one that comes too late."""
        waiting = self._waiting.get(reply.request)
        if waiting is not None and waiting.session == session and not waiting.answer.done():
            waiting.answer.set_result(reply)

    def session_closed(self, session: SessionId) -> None:
        """Whatever was asked there won't be answered."""
        for waiting in self._waiting.values():
            if waiting.session == session and not waiting.answer.done():
                text = f"the connection with TaskManager {session.taskmanager[:8]} closed before the answer; ask again"
                waiting.answer.set_exception(not_now(text))


def find_operator(core: ClusterCore, job: JobId, operator: OperatorId) -> tuple[SessionId, TaskId]:
    """Whom to ask; RefusalError when nobody can be asked, or not now."""
    if job not in core.jobs:
        raise not_found(f"there is no job {job}; millstream list shows those there are")
    found = core.jobs[job]
    vertices = [v for v in found.context.graph.vertices if any(o.id == operator for o in v.operators)]
    if not vertices:
        raise not_found(f"job {job} has no operator {operator}")
    vertex = vertices[0]
    if vertex.parallelism != 1:
        raise invalid(f"{vertex.name} runs {vertex.parallelism} times; an operator that is asked must run once")
    if JOB_STATES.is_final(found.state):
        raise ended(f"job {job} is {found.state.name}; its tasks can't be asked any more")
    subtask = SubtaskId(vertex.id, 0)
    region = found.context.region_of(subtask)
    session = core.session_of(region.holder(subtask)) if region.deployed else None
    if session is None or region.tasks[subtask].state is not TaskState.RUNNING:
        raise not_now(f"{vertex.name} isn't running at the moment; ask again")
    return session, TaskId(region.attempt, subtask)
