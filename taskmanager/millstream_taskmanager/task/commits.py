"""Commits of a task's sinks, one after the other in the pool: a committer never meets itself."""

from collections import deque
from collections.abc import Callable, Sequence

from millstream_taskmanager.operators.base import Commit

RunBlocking = Callable[[Callable[[], None], Callable[[Exception | None], None]], None]


class CommitQueue:
    """What waits to go outside."""

    def __init__(self, run_blocking: RunBlocking, failed: Callable[[Exception], None]) -> None:
        self._run_blocking = run_blocking
        self._failed = failed
        self._waiting = deque[Commit | Callable[[], None]]()
        self._running = False

    def add(self, commits: Sequence[Commit], then: Callable[[], None]) -> None:
        """Do these, then that."""
        self._waiting.extend(commits)
        self._waiting.append(then)
        self._go_on()

    def clear(self) -> None:
        """The task is over: nothing more is begun."""
        self._waiting.clear()

    def _go_on(self) -> None:
        while self._waiting and not self._running:
            item = self._waiting.popleft()
            if isinstance(item, Commit):
                self._running = True
                self._run_blocking(item.run, self._after(item))
            else:
                item()

    def _after(self, commit: Commit) -> Callable[[Exception | None], None]:
        def ran(error: Exception | None) -> None:
            self._running = False
            if error is not None:
                self._failed(error)
                return
            commit.done()
            self._go_on()

        return ran
