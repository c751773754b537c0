"""Programs on their own cluster: a plain script, a cell, a test, an asyncio loop; and how they end."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.cli.programs import AFTER_CTRL_C_S, Programs, read_until
from tests.support.clusters import until
from tests.support.components import require

pytestmark = pytest.mark.slow

HEAD = """
from millstream import StreamExecutionEnvironment
env = StreamExecutionEnvironment.get_execution_environment()
"""

WORDS = (
    HEAD
    + """
print("once")
env.from_collection(["Hello", "World"]).map(lambda word: word.upper()).print()
env.execute("Simple Flink Job")
print("done")
"""
)

ENDLESS = (
    HEAD
    + """
import time
env.configure({"pipeline.batch.max-records": 10})  # or the first ten thousand would be printed at once
def slow(x):
    time.sleep(0.01)
    return x
env.from_sequence(1, 10**12).map(slow).print()
env.execute("endless")
"""
)
CHECKPOINTED = ENDLESS.replace("env.configure", "env.enable_checkpointing(100)\nenv.configure")


class TestPrograms:
    """Wherever a program runs, it prints what its tasks print, and leaves nothing."""

    def test_a_script_without_a_main_guard(self, programs: Programs) -> None:
        """Law 12.2."""
        assert programs.run(WORDS) == (0, "once\nHELLO\nWORLD\ndone\n", "")
        programs.nothing_is_left()

    def test_no_line_is_lost_or_torn_however_many_there_are(self, programs: Programs) -> None:
        text = (
            "env.set_parallelism(2)\nenv.from_sequence(1, 500_000).map(lambda x: f'line {x}').print()\nenv.execute()\n"
        )
        code, out, err = programs.run(HEAD + text)
        assert (code, err) == (0, "")
        lines = sorted(int(line.removeprefix("1> line ").removeprefix("2> line ")) for line in out.splitlines())
        assert lines == list(range(1, 500_001))

    def test_under_a_running_asyncio_loop(self, programs: Programs) -> None:
        text = "import asyncio\nasync def main():\n" + "".join(f"    {line}\n" for line in WORDS.splitlines())
        code, out, err = programs.run(text + "asyncio.run(main())\n")
        assert (code, out, err) == (0, "once\nHELLO\nWORLD\ndone\n", "")
        programs.nothing_is_left()

    def test_in_another_thread(self, programs: Programs) -> None:
        text = "import threading\ndef main():\n" + "".join(f"    {line}\n" for line in WORDS.splitlines())
        code, out, err = programs.run(text + "thread = threading.Thread(target=main)\nthread.start()\nthread.join()\n")
        assert (code, out, err) == (0, "once\nHELLO\nWORLD\ndone\n", "")
        programs.nothing_is_left()

    def test_in_cells_of_a_notebook(self, programs: Programs) -> None:
        cells = (
            "from millstream import StreamExecutionEnvironment",
            "class Greeting:\n    def __init__(self, text):\n        self.text = text",
            "def greet(word):\n    return Greeting(f'{word}!')",
            "env = StreamExecutionEnvironment.get_execution_environment()",
            "env.from_collection(['Hello', 'World']).map(greet).map(lambda it: it.text).print()\nend = env.execute()",
            "print('next cell')",
        )
        require(find_spec("IPython") is not None, "IPython", "pip install ipython")
        shell = (
            "import os\nos.environ['IPYTHONDIR'] = os.getcwd()\n"
            "from IPython.core.interactiveshell import InteractiveShell\n"
            "shell = InteractiveShell.instance()\n"
            f"for cell in {cells!r}:\n    shell.run_cell(cell).raise_error()\n"
        )
        code, out, err = programs.end(programs.start("-c", shell))
        assert (code, out, err) == (0, "Hello!\nWorld!\nnext cell\n", "")
        programs.nothing_is_left()

    def test_under_pytest_whose_capture_sees_it(self, programs: Programs) -> None:
        body = "".join(f"    {line}\n" for line in WORDS.splitlines())
        check = "    assert capsys.readouterr().out.splitlines() == ['once', 'HELLO', 'WORLD', 'done']\n"
        programs.script(f"def test_it(capsys):\n{body}{check}", "test_inner.py")
        code, out, _ = programs.end(programs.start("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_inner.py"))
        assert code == 0, out
        assert "1 passed" in out
        programs.nothing_is_left()

    def test_modules_beside_the_script_and_three_subtasks(self, programs: Programs) -> None:
        programs.script("def double(x):\n    return 2 * x\n", "beside.py")
        text = HEAD + "import beside\nenv.set_parallelism(3)\n"
        text += "env.from_collection(range(6)).rebalance().map(beside.double).print()\nenv.execute()\n"
        code, out, err = programs.run(text)
        assert (code, err) == (0, "")
        assert sorted(line.partition("> ")[0] for line in out.splitlines()) == ["1", "1", "2", "2", "3", "3"]
        assert sorted(int(line.partition("> ")[2]) for line in out.splitlines()) == [0, 2, 4, 6, 8, 10]
        programs.nothing_is_left()

    def test_several_jobs_one_after_the_other_and_records_for_the_program(self, programs: Programs) -> None:
        text = HEAD + (
            "from millstream.embedded.clusters import CLUSTERS\n"
            "for parallelism in (1, 2, 1):\n"
            "    env.set_parallelism(parallelism)\n"
            "    stream = env.from_sequence(1, 50_000).map(lambda x: x + 1)\n"
            "    with stream.execute_and_collect() as records:\n"
            "        print(sum(records), len(CLUSTERS._running))\n"
            "print(env.from_sequence(1, 10**12).execute_and_collect(limit=3))\n"
        )
        env_sum = sum(range(2, 50_002))
        code, out, err = programs.run(text)
        assert (code, err) == (0, "")
        assert out.splitlines()[:3] == [f"{env_sum} 1"] * 3
        assert out.splitlines()[3] == "[1, 2, 3]"
        programs.nothing_is_left()

    def test_threads_that_submit_at_once_share_a_cluster(self, programs: Programs) -> None:
        text = HEAD + (
            "import threading\n"
            "from millstream.embedded.clusters import CLUSTERS\n"
            "def work():\n"
            "    own = StreamExecutionEnvironment.get_execution_environment()\n"
            "    print(own.from_collection([1]).map(lambda x: x + 1).execute_and_collect(limit=1))\n"
            "threads = [threading.Thread(target=work) for _ in range(2)]\n"
            "for thread in threads:\n    thread.start()\n"
            "for thread in threads:\n    thread.join()\n"
            "print(len(CLUSTERS._running))\n"
        )
        code, out, err = programs.run(text)
        assert (code, out, err) == (0, "[2]\n" * 2 + "1\n", "")
        programs.nothing_is_left()

    def test_records_of_a_text_that_is_executed_in_a_dictionary_of_its_own(self, programs: Programs) -> None:
        inner = (
            "class Point:\n    def __init__(self, x):\n        self.x = x\n"
            "with env.from_collection([1, 2]).map(Point).execute_and_collect() as points:\n"
            "    print([point.x for point in points], all(type(point) is Point for point in points))\n"
        )
        code, out, err = programs.run(HEAD + f"exec({inner!r}, {{'env': env}})\n")
        assert (code, out, err) == (0, "[1, 2] True\n", "")
        programs.nothing_is_left()

    def test_a_fork_of_the_program_doesn_t_end_its_cluster(self, programs: Programs) -> None:
        text = HEAD + (
            "import os, sys\n"
            "def run():\n"
            "    env.from_collection(['a']).print()\n"
            "    env.execute()\n"
            "run()\n"
            "sys.stdout.flush()\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    sys.exit(0)\n"
            "print(os.waitpid(child, 0)[1])\n"
            "run()\n"
        )
        code, out, _ = programs.run(text)
        assert (code, out) == (0, "a\n0\na\n")
        programs.nothing_is_left()


class TestFailures:
    """How a program learns what went wrong."""

    def test_a_function_that_raises_is_named_with_record_and_line(self, programs: Programs) -> None:
        text = HEAD + (
            "def invert(x):\n    return 1 // x\n"
            "env.from_collection([1, 0]).map(invert).name('invert').print()\n"
            "env.execute('inversion')\n"
        )
        code, _, err = programs.run(text)
        assert code == 1
        assert 'JobFailedError: job "inversion"' in err
        assert "integer division or modulo by zero" in err
        assert "operator: invert" in err
        assert "record: 0" in err
        assert "job.py:5: return 1 // x" in err
        programs.nothing_is_left()

    def test_what_tasks_write_to_stderr_comes_to_stderr(self, programs: Programs) -> None:
        text = HEAD + (
            "import sys\n"
            "def complain(x):\n    print(f'complaint {x}', file=sys.stderr)\n    return x\n"
            "env.from_collection([1]).map(complain).print()\nenv.execute()\n"
        )
        assert programs.run(text) == (0, "1\n", "complaint 1\n")
        programs.nothing_is_left()

    def test_a_cluster_that_is_killed_is_told_at_once_and_leaves_nothing(self, programs: Programs) -> None:
        process = programs.start(programs.script(ENDLESS))
        read_until(process, "\n")
        [cluster] = [pid for pid in programs.processes() if b"millstream.embedded" in _command(pid)]
        os.kill(cluster, signal.SIGKILL)
        code, _, err = programs.end(process)
        assert code == 1
        assert "the embedded cluster was killed by signal 9" in err
        programs.nothing_is_left()

    def test_a_cluster_that_can_t_go_on_is_told_with_its_reason_and_leaves_nothing(self, programs: Programs) -> None:
        """Its job store is taken away, which the next stored checkpoint finds."""
        process = programs.start("-c", CHECKPOINTED)
        read_until(process, "\n")
        [lock] = programs.place.glob("ms-*/jobs/lock")
        lock.unlink()
        code, _, err = programs.end(process)
        assert code == 1
        assert "the embedded cluster ended with code 1, and its jobs with it" in err
        assert "its JobManager was deposed: another has its job store" in err
        programs.nothing_is_left()

    def test_fewer_slots_than_needed_are_said(self, programs: Programs) -> None:
        text = ENDLESS.replace("env.from_sequence", "env.set_parallelism(2)\nenv.from_sequence")
        text = text.replace(
            "environment()", "environment({'taskmanager.numberOfTaskSlots': 1, 'slot.request.timeout': '1s'})"
        )
        code, _, err = programs.run(text)
        assert code == 1
        assert "the job needs 2 slots and taskmanager.numberOfTaskSlots = 1 (the program), so it waits" in err
        programs.nothing_is_left()


class TestEnds:
    """However a program ends, its cluster ends with it."""

    @pytest.mark.parametrize("in_a_loop", [False, True])
    def test_ctrl_c_cancels(self, programs: Programs, in_a_loop: bool) -> None:
        text = ENDLESS
        if in_a_loop:
            head, _, last = ENDLESS.rstrip().rpartition("\n")
            text = f"import asyncio\n{head}\nasync def main():\n    {last}\nasyncio.run(main())\n"
        process = programs.start(programs.script(text))
        read_until(process, "\n")
        os.killpg(process.pid, signal.SIGINT)
        code, _, err = programs.end(process, AFTER_CTRL_C_S)
        assert code == -signal.SIGINT
        assert 'Cancelling job "endless". Ctrl-C again kills it.' in err
        assert err.endswith("KeyboardInterrupt\n")
        assert "Traceback" not in err
        programs.nothing_is_left()

    def test_a_second_ctrl_c_kills(self, programs: Programs) -> None:
        begun = programs.directory / "begun"
        stuck = ENDLESS.replace("    return x\n", f"    open({str(begun)!r}, 'w').close()\n    time.sleep(1000)\n")
        process = programs.start(programs.script(stuck))
        until(begun.exists, 40, "the task has begun")
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        assert "Cancelling" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        code, _, _ = programs.end(process, AFTER_CTRL_C_S)
        assert code == -signal.SIGINT
        programs.nothing_is_left()

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_a_program_that_is_killed_leaves_nothing(self, programs: Programs, number: signal.Signals) -> None:
        process = programs.start(programs.script(ENDLESS))
        read_until(process, "\n")
        assert len(programs.processes()) > 2
        process.send_signal(number)
        assert programs.end(process)[0] == -number
        programs.nothing_is_left()

    def test_a_program_that_doesn_t_wait_for_its_job_ends_it(self, programs: Programs) -> None:
        code, _, err = programs.run(ENDLESS.replace("env.execute(", "env.execute_async("))
        assert (code, err) == (0, "")
        programs.nothing_is_left()


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


class TestOutput:
    """What its tasks print goes nowhere: the program ends as with Ctrl-C, and says so in a sentence at most."""

    @pytest.mark.parametrize(
        ("device", "told"),
        [
            ("/dev/full", "what the job prints can't be written to stdout: No space left on device\n"),
            ("a pipe that nobody reads", ""),
        ],
    )
    def test_a_full_disk_and_a_closed_pipe(self, programs: Programs, device: str, told: str) -> None:
        if device == "/dev/full":
            stdout = os.open(device, os.O_WRONLY)
        else:
            reading, stdout = os.pipe()
            os.close(reading)
        process = programs.start(programs.script(ENDLESS), stdout=stdout)
        os.close(stdout)
        code, _, err = programs.end(process)
        assert (code, err) == (1, told)
        programs.nothing_is_left()

    def test_no_stdout_at_all(self, programs: Programs) -> None:
        code, out, err = programs.run(f"import sys\nsys.stdout = None\n{WORDS}")
        assert (code, out, err) == (0, "", "")

    def test_what_can_t_be_encoded_is_replaced(self, programs: Programs) -> None:
        head = "import sys\nsys.stdout.reconfigure(encoding='ascii', errors='strict')\n"
        code, out, err = programs.run(head + WORDS.replace("World", "Wörld"))
        assert (code, out, err) == (0, "once\nHELLO\nW?RLD\ndone\n", "")

    def test_too_few_open_files(self, programs: Programs) -> None:
        head = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\n"
        code, _, err = programs.run(head + WORDS)
        assert code == 1
        assert "needs 32 open files or more, and this program may have 24; raise the limit" in err
        programs.nothing_is_left()
