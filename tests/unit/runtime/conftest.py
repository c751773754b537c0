"""The object store, where a test asks for it."""

from tests.support.object_store import object_store

__all__ = ["object_store"]
