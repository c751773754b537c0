"""Whether a process lives and is ready, for whoever asks: `HealthPort` is the port, `HealthState` knows the answers.

Read state, then http_answers and grpc_answers, then port, which puts them behind one door.
"""

from millstream_runtime.health.port import HealthPort, health_answers
from millstream_runtime.health.state import HealthState

__all__ = ["HealthPort", "HealthState", "health_answers"]
