"""gRPC methods as plain coroutines: requests are parsed and refused here, failures get their status here.

The generated servicers would do the first with an UNKNOWN status and a traceback for every byte of garbage.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from millstream_jobmanager.service.carrier import LeadershipLostError
from millstream_jobmanager.service.refusals import RefusalError, internal, invalid, not_now, refuse
from millstream_runtime.messages.codec import MalformedMessageError

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Any, Context], Any]
"""(request, or an iterator of them; context) -> a coroutine of the response; an async iterator of responses to one
request; a coroutine that reads and writes the context where both sides stream.
"""
M = TypeVar("M", bound=Message)

_log = logging.getLogger("millstream.jobmanager.rpc")


def service_handler(service: ServiceDescriptor, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler:
    """A gRPC service; `methods` has each method of the `.proto` by its name."""
    handlers = {method.name: _handler(method, methods[method.name]) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def checked(received: M | MalformedMessageError) -> M:
    """A request that was received; MalformedMessageError when it was none."""
    if isinstance(received, MalformedMessageError):
        raise received
    return received


def _handler(method: MethodDescriptor, serve: Method) -> grpc.RpcMethodHandler[Any, Any]:
    kind = ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    wrap = _streaming if kind == "unary_stream" else _answering
    parse = _parser(GetMessageClass(method.input_type))
    made = make(wrap(method.name, serve), request_deserializer=parse, response_serializer=_bytes_of)
    handler: grpc.RpcMethodHandler[Any, Any] = made
    return handler


def _bytes_of(message: Message) -> bytes:
    return message.SerializeToString()


def _parser(cls: type[Message]) -> Callable[[bytes], Message | MalformedMessageError]:
    def parse(data: bytes) -> Message | MalformedMessageError:
        message = cls()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return MalformedMessageError(f"{len(data)} bytes that are no {cls.__name__}")
        return message

    return parse


def _answering(name: str, serve: Callable[[Any, Context], Awaitable[Message | None]]) -> Method:
    async def call(request: Any, context: Context) -> Any:  # noqa: ANN401  # of one of many kinds
        try:
            return await serve(checked(request) if isinstance(request, MalformedMessageError) else request, context)
        except Exception as error:  # noqa: BLE001  # every failure has its status
            return await _fail(name, context, error)

    return call


def _streaming(name: str, serve: Callable[[Any, Context], AsyncIterator[Message]]) -> Method:
    async def call(request: Any, context: Context) -> AsyncIterator[Message]:  # noqa: ANN401  # of one of many kinds
        try:
            async for message in serve(
                checked(request) if isinstance(request, MalformedMessageError) else request, context
            ):
                yield message
        except Exception as error:  # noqa: BLE001  # every failure has its status
            await _fail(name, context, error)

    return call


async def _fail(name: str, context: Context, error: Exception) -> Any:  # noqa: ANN401  # it never returns
    match error:
        case RefusalError():
            refusal = error
        case MalformedMessageError():
            _log.warning("%s from %s is refused: %s", name, context.peer(), error)
            refusal = invalid(str(error))
        case LeadershipLostError():
            refusal = not_now("this JobManager leads no more; ask the one that leads now")
        case grpc.aio.AbortError():
            raise error
        case _:
            _log.error("%s from %s failed", name, context.peer(), exc_info=error)
            refusal = internal(f"{type(error).__name__}: {error}")
    await refuse(context, refusal)
