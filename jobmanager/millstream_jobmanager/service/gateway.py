"""Clients: what they ask, and what they are shown. Every call is answered from the core's own state or by it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import grpc

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.events import Ask
from millstream_jobmanager.core.job import Job
from millstream_jobmanager.core.views import cluster_view, job_details
from millstream_jobmanager.service.carrier import LeadershipLostError
from millstream_jobmanager.service.names import check_job, check_words
from millstream_jobmanager.service.questions import find_operator
from millstream_jobmanager.service.refusals import RefusalError, not_found
from millstream_jobmanager.service.rpc import Context, Method, service_handler
from millstream_jobmanager.service.sessions import OpenSessions
from millstream_jobmanager.service.settings import ServiceSettings
from millstream_jobmanager.service.shell import Shell
from millstream_jobmanager.service.submissions import SubmissionChecks
from millstream_jobmanager.service.uploads import Uploads
from millstream_proto import client_pb2
from millstream_runtime.messages.client import CancelJob, JobDetails, StopJob, SubmitJob, TriggerSavepoint
from millstream_runtime.messages.codec import from_message, to_message
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.states import JOB_STATES
from millstream_runtime.versions import own_versions

BETWEEN_VIEWS = 0.2
"""Seconds between two messages of a `Watch`: five a second are enough for eyes. A job's end isn't kept waiting."""


@dataclass(frozen=True, slots=True)
class ClientDoors:
    """What serves clients."""

    shell: Shell
    sessions: OpenSessions
    checks: SubmissionChecks
    uploads: Uploads
    settings: ServiceSettings


class ClientGateway:
    """Serves `client.proto`."""

    def __init__(self, doors: ClientDoors) -> None:
        self._doors = doors
        self._shell = doors.shell

    def handler(self) -> grpc.GenericRpcHandler:
        """For the server."""
        methods: dict[str, Method] = {
            "UploadBlob": lambda chunks, _: self._doors.uploads.take(aiter(chunks)),
            "Submit": self.submit,
            "Cancel": lambda request, _: self._change(from_message(CancelJob, request)),
            "Stop": lambda request, _: self._change(from_message(StopJob, request)),
            "Savepoint": lambda request, _: self._change(from_message(TriggerSavepoint, request)),
            "Details": self.details,
            "Watch": self.watch,
            "Output": self.output,
            "Ask": self.ask,
            "Cluster": self.cluster,
        }
        return service_handler(client_pb2.DESCRIPTOR.services_by_name["ClientGateway"], methods)

    # ------------------------------------------------------------ what changes something

    async def submit(self, request: Any, _: Context) -> Any:  # noqa: ANN401  # messages have no types here
        """Answered when the job is stored; a known id is answered with that job's state (law 1.1)."""
        ask = from_message(SubmitJob, request)
        if ask.graph.job not in self._shell.core.jobs:
            await self._doors.checks.check(ask)
        return await self._asked(ask, grpc.StatusCode.INVALID_ARGUMENT)

    async def _change(self, ask: CancelJob | StopJob | TriggerSavepoint) -> Any:  # noqa: ANN401  # as above
        if not isinstance(ask, CancelJob):
            check_words("the request's name", ask.request)
            check_words("the directory of the savepoint", ask.target)
        self._job(ask.job)
        return await self._asked(ask, grpc.StatusCode.FAILED_PRECONDITION)

    async def _asked(self, ask: Ask, users_fault: grpc.StatusCode) -> Any:  # noqa: ANN401  # as above
        reply = await self._shell.ask(ask)
        if reply.refusal is not None:
            raise RefusalError(_code(reply.refusal, users_fault), reply.refusal)
        return to_message(reply.status)

    # ------------------------------------------------------------ what is shown

    async def details(self, request: Any, _: Context) -> Any:  # noqa: ANN401  # messages have no types here
        """Everything about a job."""
        return to_message(self._details(self._job(JobId(request.job))))

    async def watch(self, request: Any, _: Context) -> AsyncIterator[Any]:  # noqa: ANN401  # as above
        """The details now and after every change; only the newest waits for a client that reads slowly."""
        job = self._job(JobId(request.job))
        shown: JobDetails | None = None
        due = 0.0
        while True:
            change = self._shell.changes.next()
            details = self._details(job)
            if details != shown:
                yield to_message(details)
                shown = details
                due = asyncio.get_running_loop().time() + BETWEEN_VIEWS
            if JOB_STATES.is_final(details.status.state):
                return
            if not self._shell.leads:
                raise LeadershipLostError
            await change.wait()
            await self._due(due, job)

    async def _due(self, time: float, job: Job) -> None:
        """Until the next view may be sent: at this time of the loop, or when there is nothing to come after it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(time):
                while not JOB_STATES.is_final(job.state) and self._shell.leads:
                    await self._shell.changes.next().wait()

    async def cluster(self, _request: object, _: Context) -> Any:  # noqa: ANN401  # as above
        """The cluster as a whole."""
        if not self._shell.leads:
            raise LeadershipLostError
        return to_message(cluster_view(self._shell.core, own_versions()))

    async def output(self, request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401  # as above
        """What a job's tasks print, until the job has ended; the job may come after the call."""
        job = JobId(request.job)
        check_job(job)
        listener = self._doors.sessions.outputs.listen(job)
        try:
            await context.send_initial_metadata(())
            if (known := self._shell.core.jobs.get(job)) is not None and JOB_STATES.is_final(known.state):
                return
            while not listener.over:
                await listener.arrived.wait()
                while (output := listener.next()) is not None:
                    yield to_message(output)
            if not self._shell.leads:
                raise LeadershipLostError
        finally:
            self._doors.sessions.outputs.leave(listener)

    async def ask(self, request: Any, context: Context) -> Any:  # noqa: ANN401  # as above
        """A question to an operator, answered by its task."""
        session, task = find_operator(self._shell.core, JobId(request.job), request.operator)
        limit = self._doors.settings.call_timeout
        left = cast("float | None", context.time_remaining())
        timeout = limit if left is None else min(limit, max(0.0, left))
        questions = self._doors.sessions.questions
        return to_message(await questions.ask(session, task, request.operator, request.payload, timeout))

    # ------------------------------------------------------------ jobs

    def _job(self, job: JobId) -> Job:
        if not self._shell.leads:
            raise LeadershipLostError
        if job not in self._shell.core.jobs:
            raise not_found(f"there is no job {job[:80]}; millstream list shows those there are")
        return self._shell.core.jobs[job]

    def _details(self, job: Job) -> JobDetails:
        """Its tasks in the order of the plan, as `info` of a program draws it."""
        details = job_details(job, self._shell.core.totals)
        places = {vertex: place for place, vertex in enumerate(job.context.plan.vertices)}
        tasks = sorted(details.tasks, key=lambda task: (places[task.vertex], task.index))
        return replace(details, tasks=tuple(tasks))


def _code(refusal: Failure, users_fault: grpc.StatusCode) -> grpc.StatusCode:
    match refusal.kind:
        case FailureKind.USER:
            return users_fault
        case FailureKind.INTERNAL:
            return grpc.StatusCode.INTERNAL
        case FailureKind.EXTERNAL | FailureKind.CHECKPOINT:
            return grpc.StatusCode.UNAVAILABLE
