"""A pytest plugin: a test that leaves a thread, a child process or an open file behind fails, by name.

Daemon threads are left alone, since they end with the process. What a fixture of a wider scope opens (a server for a
whole module) belongs to the fixture and is asked for when the fixture ends. A test that must leave something says
so: `@pytest.mark.may_leak(reason="...")`.
"""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing import resource_tracker

import pytest

TIME_LIMIT = "pytest_timeout "  # the thread that ends a test on uvloop
GRACE_S = 2.0  # a joined thread or a killed child needs a moment to vanish; on a busy machine half a second
POLL_S = 0.005
YOUNG, OLD = 1, 2  # generations: what a test made is young, and to look through all that was imported takes 0.1 s
YOUNG_S = 0.03  # then what is old is looked at too

# Stock is taken once a test and costs a millisecond, so this file uses plain strings and os calls, no pathlib.
_PROC = "/proc"


@dataclass(frozen=True)
class Resource:
    """Something that ends only when somebody ends it."""

    kind: str
    number: int  # thread id, process id or file descriptor; numbers are used again, hence the name
    name: str

    def __str__(self) -> str:
        """One line for the failure message."""
        return f"{self.kind} {self.number} ({self.name})"


def open_resources() -> frozenset[Resource]:
    """Everything of this process that a test could leak; on systems without /proc only threads."""
    threads = {
        Resource("thread", thread.ident or 0, thread.name)
        for thread in threading.enumerate()
        if not thread.daemon and not thread.name.startswith(TIME_LIMIT)
    }
    return frozenset(threads | _children() | _open_files())


def _children() -> set[Resource]:
    """Processes whose parent we are, also those that have ended and that nobody has waited for."""
    children: set[Resource] = set()
    for pid in _pids_of_children():
        name = _read(f"{_PROC}/{pid}/cmdline").replace("\0", " ").strip()
        children.add(Resource("process", int(pid), name or "ended, but nobody waited for it"))
    return children


def _pids_of_children() -> list[str]:
    """The kernel's list of them where it was built with one: to read the parents of all processes takes 50 times as
    long, and a machine has hundreds.
    """
    tasks = f"{_PROC}/self/task"
    if os.path.exists(f"{tasks}/{os.getpid()}/children"):
        return " ".join(_read(f"{tasks}/{task}/children") for task in _list(tasks)).split()
    own = str(os.getpid())
    # `12 (a name that may hold blanks and brackets) S 7 ...`, where 7 is the parent.
    parents = {
        pid: _read(f"{_PROC}/{pid}/stat").rpartition(")")[2].split()[1:2] for pid in _list(_PROC) if pid.isdigit()
    }
    return [pid for pid, parent in parents.items() if parent == [own]]


def _open_files() -> set[Resource]:
    files: set[Resource] = set()
    for descriptor in _list(f"{_PROC}/self/fd"):
        try:
            target = os.readlink(f"{_PROC}/self/fd/{descriptor}")
        except OSError:  # closed meanwhile, as is the descriptor of this very listing
            continue
        files.add(Resource("open file", int(descriptor), target))
    return files


def _list(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # the process has ended meanwhile
        return ""


def open_what_stays() -> None:
    """Open what libraries open once and keep until the process ends, so that no test is blamed for being first.

    These are Python's resource tracker (a process and a pipe, for multiprocessing) and uvloop's pipe for signals.
    Python's forkserver isn't among them: whoever starts it stops it.
    """
    resource_tracker.ensure_running()
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.new_event_loop().close()


_staying = set[Resource]()


@contextlib.contextmanager
def opening_what_stays() -> Generator[None]:
    """The same for a library that only few tests use: what is opened here stays until the process ends."""
    before = open_resources()
    yield
    _staying.update(open_resources() - before)


class LeakCheck:
    """Compares before and after each test."""

    def __init__(self) -> None:
        self.known: frozenset[Resource] = frozenset()
        self.stock: frozenset[Resource] | None = None
        """As it was after the last test, where that was looked at: as it is before the next."""
        self.owned_by_fixtures: dict[pytest.FixtureDef[object], frozenset[Resource]] = {}
        self.failed: set[str] = set()

    def owned(self) -> frozenset[Resource]:
        """What fixtures of a wider scope than one test hold open."""
        return frozenset().union(*self.owned_by_fixtures.values())

    def leaked(self) -> frozenset[Resource]:
        """What is new and nobody's, after everything had its moment to vanish."""
        begun = time.monotonic()
        while leaked := (stock := open_resources()) - self.known - self.owned() - _staying:
            if time.monotonic() - begun > GRACE_S:
                return leaked
            # What only a cycle of references keeps open is reported by Python itself.
            gc.collect(YOUNG if time.monotonic() - begun < YOUNG_S else OLD)
            time.sleep(POLL_S)
        self.stock = stock
        return leaked

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None]:
        """Take stock before the first fixture."""
        stock = open_resources() if self.stock is None else self.stock
        self.stock = None
        self.known = stock - self.owned()
        yield

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Note what a wider fixture opens."""
        before = open_resources() if fixturedef.scope != "function" else frozenset[Resource]()
        value = yield
        if fixturedef.scope != "function":
            self.owned_by_fixtures[fixturedef] = open_resources() - before
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """From now on what the fixture had opened is a leak."""
        self.owned_by_fixtures.pop(fixturedef, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember failed tests: their tracebacks hold what they had open, which would be a second, false alarm."""
        if report.failed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Take stock after the last fixture."""
        yield
        mark = item.get_closest_marker("may_leak")
        if mark is not None:
            if not mark.kwargs.get("reason"):
                pytest.fail("may_leak needs words: @pytest.mark.may_leak(reason='...')", pytrace=False)
        elif item.nodeid not in self.failed and (leaked := self.leaked()):
            lines = "\n".join(f"  {line}" for line in sorted(map(str, leaked)))
            pytest.fail(
                f"the test left behind:\n{lines}\nClose it in the test or its fixture, or say why it must stay: "
                "@pytest.mark.may_leak(reason='...')",
                pytrace=False,
            )


def pytest_configure(config: pytest.Config) -> None:
    """Switch the check on."""
    open_what_stays()
    config.addinivalue_line("markers", "may_leak(reason): the test leaves something open, for this reason")
    config.pluginmanager.register(LeakCheck(), "leak-check")
