"""One commit after the other, whoever else waits."""

from collections.abc import Callable

from millstream_taskmanager.operators.base import Commit
from millstream_taskmanager.task.commits import CommitQueue


class Pool:
    """Runs a job when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], None], Callable[[Exception | None], None]]] = []

    def __call__(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        self.jobs.append((job, then))

    def run(self) -> None:
        [(job, then)] = self.jobs
        self.jobs = []
        try:
            job()
        except ValueError as error:
            then(error)
        else:
            then(None)


def commit(name: str, log: list[str]) -> Commit:
    return Commit(lambda: log.append(f"run {name}"), lambda: log.append(f"done {name}"))


def test_in_order_and_then() -> None:
    pool, log = Pool(), list[str]()
    queue = CommitQueue(pool, lambda error: log.append(f"failed {error}"))
    queue.add([commit("a", log), commit("b", log)], lambda: log.append("both"))
    queue.add([], lambda: log.append("nothing more"))
    assert len(pool.jobs) == 1
    pool.run()
    assert log == ["run a", "done a"]
    pool.run()
    assert log[2:] == ["run b", "done b", "both", "nothing more"]


def test_a_failure_ends_it() -> None:
    pool, log = Pool(), list[str]()

    def fail() -> None:
        raise ValueError("gone")

    queue = CommitQueue(pool, lambda error: log.append(f"failed {error}"))
    queue.add([Commit(fail, lambda: log.append("done"))], lambda: log.append("then"))
    pool.run()
    assert log == ["failed gone"]


def test_nothing_more_when_the_task_is_over() -> None:
    pool, log = Pool(), list[str]()
    queue = CommitQueue(pool, lambda error: log.append(f"failed {error}"))
    queue.add([commit("a", log), commit("b", log)], lambda: log.append("both"))
    queue.clear()
    pool.run()
    assert log == ["run a", "done a"]
    assert not pool.jobs
