"""A job's details as they change, across JobManagers that die and come back."""

from collections.abc import Iterator
from typing import Any, Final

from millstream.submission.gateway import Gateway, Pause, details_of
from millstream.submission.quiet import grpc
from millstream.submission.refusals import Reason, passes, refusal
from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JOB_STATES

_PATIENCE: Final = 10
"""How many times `client.timeout` a job is waited for whose JobManager is away: it goes on meanwhile, for 15 minutes
(taskmanager.leader-absence-timeout), so ten minutes are none too many."""

_BROKEN: Final = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})
"""How the stream of a JobManager that dies may end, besides what passes with every question."""


def follow(gateway: Gateway, job: JobId) -> Iterator[JobDetails]:
    """The details now and after every change; the last has a final state.

    JobNotFoundError for an unknown job, ClusterUnreachableError when nobody answers for ten times `client.timeout`.
    """
    pause = Pause(gateway, _PATIENCE * gateway.timeout, "; the job goes on")
    while True:
        stream, heard, tried = None, False, gateway.target
        broken: grpc.RpcError | None = None
        reason = Reason("its stream ended")
        try:
            stream = gateway.watch(job)
            for details in _values(stream):
                heard = True
                yield details
                if JOB_STATES.is_final(details.status.state):
                    return
        except grpc.RpcError as error:
            if error.code() not in _BROKEN and not passes(error):
                raise refusal(error, gateway.target, job) from error
            if heard and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                continue  # the stream's own planned end
            reason, broken = gateway.reason_of(error), error
        except ValueError as error:  # gRPC's word for a channel that was closed
            reason = Reason(str(error))
        finally:
            if stream is not None:
                stream.cancel()
            if heard:
                pause.begin()
        pause.take(reason, job, f"the job is waited for no longer, and 'millstream info {job}' shows how it is")
        gateway.move(tried, broken)


def _values(stream: Any) -> Iterator[JobDetails]:  # noqa: ANN401  # gRPC's stream has no public type
    return (details_of(message) for message in stream)
