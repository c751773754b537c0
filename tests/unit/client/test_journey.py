"""A program's functions arrive: a process that never saw the program loads its blobs and archives, and calls them.

Laws 12.1 and 12.2: modules beside the script are imported for real, the script itself travels by value and is never run
again, whether it was a file, a module or typed in.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

# Leaves blobs and archives in the folder `job`, where an executor would upload them.
SUBMIT = """
import pathlib
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from tests.unit.client.programs import FakeExecutor

def submit(build):
    fake = FakeExecutor()
    with program_context(ProgramContext(Configuration(), executor=fake)):
        env = StreamExecutionEnvironment.get_execution_environment()
        build(env)
        env.execute()
    [graph], folder = fake.graphs, pathlib.Path("job")
    folder.mkdir()
    for artifact in graph.artifacts:
        (folder / artifact.name).write_bytes(fake.blobs[0][artifact.blob.digest])
    for number, vertex in enumerate(graph.vertices):
        (folder / f"{number}.blob").write_bytes(fake.blobs[0][vertex.functions.digest])
"""

SCRIPT = """
import dataclasses
print("the script ran")

@dataclasses.dataclass(frozen=True)
class Event:
    text: str

PREFIX = "parsed "

def parse(number):
    import lazily
    return Event(PREFIX + lazily.word(number))

def build(env):
    env.from_collection([7]).map(parse).map(lambda event: (type(event).__name__, event.text)).print()

from submitting import submit
submit(build)
"""

FILES = {
    "lazily.py": "import deeper\n\ndef word(number):\n    return deeper.WORDS[number]\n",
    "deeper.py": "WORDS = {7: 'seven'}\n",
}

# What a worker does with its vertex.
WORKER = """
import pathlib, sys, cloudpickle
job = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(path) for path in job.glob("*.zip")]
[blob] = job.glob("*.blob")
chain = cloudpickle.loads(blob.read_bytes())
source, *maps, sink = chain.nodes
[value] = source.specification.source.values
for node in maps:
    value = node.specification.function(value)
print(value)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the program."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    tools = tmp_path.parent / f"{tmp_path.name}-tools"
    tools.mkdir()
    (tools / "submitting.py").write_text(SUBMIT)
    return tmp_path


def environment(*extra: Path) -> Mapping[str, str]:
    """Our packages as this process has them; they may not be installed."""
    return {"PYTHONPATH": ":".join([*map(str, extra), *filter(None, sys.path)])}


def run(folder: Path, *arguments: str, stdin: str = "") -> str:
    """Run the program, then a worker elsewhere; what the worker prints."""
    tools = folder.parent / f"{folder.name}-tools"
    program = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(tools),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (program.returncode, program.stdout) == (0, "the script ran\n"), program.stderr
    worker = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder / "job")],
        cwd=tools.parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert worker.returncode == 0, worker.stderr
    return worker.stdout


def test_of_a_script(folder: Path) -> None:
    (folder / "job.py").write_text(SCRIPT)
    assert run(folder, "job.py") == "('Event', 'parsed seven')\n"


def test_of_a_module_in_a_package(folder: Path) -> None:
    package = folder / "shop" / "jobs"
    package.mkdir(parents=True)
    (folder / "shop" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "daily.py").write_text(SCRIPT.replace("import lazily", "from . import lazily"))
    (package / "lazily.py").write_text("import deeper\n\ndef word(number):\n    return deeper.WORDS[number]\n")
    assert run(folder, "-m", "shop.jobs.daily") == "('Event', 'parsed seven')\n"


def test_of_a_program_that_was_typed_in_with_what_it_had_imported(folder: Path) -> None:
    assert run(folder, "-", stdin=f"import lazily\n{SCRIPT}") == "('Event', 'parsed seven')\n"


def test_of_a_script_whose_helpers_lie_in_a_folder_that_it_puts_on_the_path(folder: Path) -> None:
    (folder / "libs").mkdir()
    for name in FILES:
        (folder / name).rename(folder / "libs" / name)
    (folder / "job.py").write_text(f"import sys\nsys.path.insert(0, 'libs')\n{SCRIPT}")
    assert run(folder, "job.py") == "('Event', 'parsed seven')\n"
