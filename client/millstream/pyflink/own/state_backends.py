"""PyFlink's state backends, as far as there is one: keyed state lies in the memory of its worker."""

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.datastream.described_settings import StateBackend

__all__ = ["HashMapStateBackend", "StateBackend"]


@dataclass(frozen=True)
class HashMapStateBackend(StateBackend):
    """Keyed state as Python objects in the worker's memory, for `env.set_state_backend`. The default."""

    def as_settings(self) -> Mapping[str, object]:
        """See DescribedSettings."""
        return {"state.backend.type": "hashmap"}
