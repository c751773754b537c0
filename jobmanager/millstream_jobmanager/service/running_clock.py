"""The core's clock: the time in which this JobManager ran.

A JobManager that was stopped (SIGSTOP, a frozen machine) must not blame its TaskManagers for its own silence. What they
have said meanwhile waits in sockets, and those that took it for dead come back within seconds. So a pause doesn't
count, and behind it the clock stands until they have had time to return. Nothing is due meanwhile: no death, no
restart, no checkpoint that takes too long. Events are handled as ever.
"""

from dataclasses import dataclass

RETURN_MS = 5_000
"""For TaskManagers that look for a leader: they try every 3 s."""


@dataclass(slots=True)
class RunningClock:
    """Pure: the machine's monotonic milliseconds go in. It must be asked more often than every `longest_gap`."""

    longest_gap: int
    """Two askings further apart are a pause."""
    standstill: int
    """So long the clock stands after a pause."""
    _seen: int
    last_pause: int = 0
    """Milliseconds; 0: there was none yet."""
    _skipped: int = 0
    _stands_until: int = 0

    def now(self, machine: int) -> int:
        """The core's time."""
        gap = machine - self._seen
        if gap > self.longest_gap:
            self.last_pause = gap
            self._skipped += gap
            self._stands_until = machine + self.standstill
        else:
            self._skipped += max(0, min(machine, self._stands_until) - min(self._seen, self._stands_until))
        self._seen = machine
        return machine - self._skipped

    def wait(self, deadline: int, machine: int) -> int:
        """Milliseconds from now until the core's time is that."""
        return max(0, deadline - self.now(machine)) + max(0, self._stands_until - machine)


def running_clock(heartbeat_interval: int, heartbeat_timeout: int, machine: int) -> RunningClock:
    """A pause is longer than a heartbeat's interval; the standstill is short, as TaskManagers judge us too."""
    return RunningClock(heartbeat_interval, min(RETURN_MS, heartbeat_timeout // 3), machine)
