"""Asynchronous I/O on a cluster of the program's own, with a service that is there for its workers."""

import pytest

from tests.integration.cli.programs import Programs

pytestmark = pytest.mark.slow

_HEAD = """
import asyncio, threading
from millstream import AsyncDataStream, AsyncFunction, StreamExecutionEnvironment, Time

async def serve(reader, writer):
    line = await reader.readline()
    await asyncio.sleep(0.002 * (int(line) % 5))
    writer.write(b"%d\\n" % (int(line) * 2))
    await writer.drain()
    writer.close()

class Service:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

class Double(AsyncFunction):
    def __init__(self, port):
        self.port = port

    async def async_invoke(self, value):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"%d\\n" % value)
        answer = int(await reader.readline())
        writer.close()
        return [answer]

port = Service().port
env = StreamExecutionEnvironment.get_execution_environment()
env.enable_checkpointing(100)
"""


def test_a_service_is_asked_from_several_workers(programs: Programs) -> None:
    text = _HEAD + (
        "env.set_parallelism(2)\n"
        "numbers = env.from_sequence(1, 400).rebalance()\n"
        "ordered = AsyncDataStream.ordered_wait(numbers, Double(port), Time.seconds(30), 20).uid('ordered')\n"
        "unordered = AsyncDataStream.unordered_wait(numbers, Double(port), Time.seconds(30), 20).uid('unordered')\n"
        "print(sum(ordered.union(unordered).execute_and_collect()))\n"
    )
    assert programs.run(text) == (0, f"{2 * sum(range(2, 801, 2))}\n", "")
    programs.nothing_is_left()


def test_what_a_coroutine_prints_is_its_tasks_and_its_error_names_the_record(programs: Programs) -> None:
    text = _HEAD + (
        "async def tell(value):\n"
        "    await asyncio.sleep(0)\n"
        "    await asyncio.to_thread(print, 'asked for', value)\n"
        "    return 10 // (5 - value)\n"
        "env.configure({'restart-strategy.type': 'none'})\n"
        "env.from_collection([5]).map(tell).print()\n"
        "env.execute()\n"
    )
    code, out, err = programs.run(text)
    assert code != 0
    assert out == "asked for 5\n"
    assert "ZeroDivisionError" in err
    assert "  operator: Map (job.py:" in err
    assert "  record: 5\n" in err
    programs.nothing_is_left()
