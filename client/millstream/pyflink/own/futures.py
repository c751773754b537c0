"""PyFlink's `CompletableFuture`: Python's own future has all that it has."""

from concurrent.futures import Future as CompletableFuture

__all__ = ["CompletableFuture"]
