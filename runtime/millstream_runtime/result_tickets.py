"""Tickets: what a worker shows to a TaskManager of another machine for results that lie there (law 9.3).

A TaskManager has a key of its own for each start, which it tells its leader in its registration. From it the leader
makes a ticket for each attempt of a region whose results lie there, and gives it to the workers that read them. So
workers of one job can't ask for what another one has left, and a new leader makes the same tickets.
"""

import hashlib
import hmac

from millstream_dataflow.identity import RegionAttempt


def result_ticket(key: bytes, attempt: RegionAttempt) -> bytes:
    """For the results of an attempt at the TaskManager of that key."""
    return hmac.digest(key, f"results {attempt.job} {attempt.region} {attempt.number}".encode(), hashlib.sha256)
