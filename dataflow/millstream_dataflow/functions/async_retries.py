"""Strategies for answers that are asked for once more, and predicates for which (PyFlink's
`pyflink.datastream.async_retry_strategies` and `async_retry_predicates`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from millstream_dataflow.time.quantities import Span, to_milliseconds

Out = TypeVar("Out")


def empty_result_predicate(result: list[Any] | None) -> bool:
    """True of an answer without records."""
    return not result


def has_exception_predicate(error: Exception | None) -> bool:
    """True of every exception."""
    return error is not None


def exception_type_predicate(error: Exception | None, expected_error_type: type[Exception]) -> bool:
    """True of exceptions of a class: `partial(exception_type_predicate, expected_error_type=OSError)`."""
    return isinstance(error, expected_error_type)


class AsyncRetryPredicate(ABC, Generic[Out]):
    """Which answers are asked for once more. A predicate that is None is true of none."""

    @abstractmethod
    def result_predicate(self) -> Callable[[list[Out]], bool] | None:
        """True of the records of an answer that won't do."""

    @abstractmethod
    def exception_predicate(self) -> Callable[[Exception], bool] | None:
        """True of an exception that may go away."""


class AsyncRetryStrategy(ABC, Generic[Out]):
    """Whether and when a record's answer is asked for once more. Attempts count from 1, each record's own.

    The function's timeout is for all attempts of a record together, and for the time between them.
    """

    @abstractmethod
    def can_retry(self, current_attempts: int) -> bool:
        """Whether there may be another attempt after so many."""

    @abstractmethod
    def get_backoff_time_millis(self, current_attempts: int) -> int:
        """Milliseconds to wait after so many attempts."""

    @abstractmethod
    def get_retry_predicate(self) -> AsyncRetryPredicate[Out]:
        """Which answers are meant."""

    @staticmethod
    def no_restart() -> "AsyncRetryStrategy[Any]":
        """NO_RETRY_STRATEGY, by PyFlink's other name for it."""
        return NO_RETRY_STRATEGY

    @staticmethod
    def fixed_delay(
        max_attempts: int,
        backoff_time_millis: Span,
        result_predicate: Callable[[list[Any]], bool] | None = None,
        exception_predicate: Callable[[Exception], bool] | None = None,
    ) -> "AsyncRetryStrategy[Any]":
        """A FixedDelayRetryStrategy. Without a predicate nothing is tried again, as in PyFlink."""
        return FixedDelayRetryStrategy(max_attempts, backoff_time_millis, result_predicate, exception_predicate)

    @staticmethod
    def exponential_backoff(  # noqa: PLR0913, PLR0917  # PyFlink's signature
        max_attempts: int,
        initial_delay: Span,
        max_retry_delay: Span,
        multiplier: float,
        result_predicate: Callable[[list[Any]], bool] | None = None,
        exception_predicate: Callable[[Exception], bool] | None = None,
    ) -> "AsyncRetryStrategy[Any]":
        """An ExponentialBackoffDelayRetryStrategy. Without a predicate nothing is tried again, as in PyFlink."""
        return ExponentialBackoffDelayRetryStrategy(
            max_attempts, initial_delay, max_retry_delay, multiplier, result_predicate, exception_predicate
        )


class RetryPredicate(AsyncRetryPredicate[Out], Generic[Out]):
    """Two functions as a predicate; either may be None."""

    def __init__(
        self,
        result_predicate: Callable[[list[Out]], bool] | None,
        exception_predicate: Callable[[Exception], bool] | None,
    ) -> None:
        self._of_result = _callable("result_predicate", result_predicate)
        self._of_exception = _callable("exception_predicate", exception_predicate)

    def result_predicate(self) -> Callable[[list[Out]], bool] | None:
        """See AsyncRetryPredicate."""
        return self._of_result

    def exception_predicate(self) -> Callable[[Exception], bool] | None:
        """See AsyncRetryPredicate."""
        return self._of_exception


class NoRetryStrategy(AsyncRetryStrategy[Out], Generic[Out]):
    """The first answer counts."""

    def can_retry(self, current_attempts: int) -> bool:
        """Never."""
        return False

    def get_backoff_time_millis(self, current_attempts: int) -> int:
        """There is nothing to wait for."""
        return -1

    def get_retry_predicate(self) -> AsyncRetryPredicate[Out]:
        """True of nothing."""
        return RetryPredicate(None, None)


class FixedDelayRetryStrategy(AsyncRetryStrategy[Out], Generic[Out]):
    """Up to `max_attempts` more attempts, each so long after the last (milliseconds, or a timedelta).

    Where no predicate is given, every exception is tried again and every result is taken. (PyFlink's class has no
    defaults; a predicate that is given as None is true of nothing there and here.)
    """

    def __init__(
        self,
        max_attempts: int,
        backoff_time_millis: Span,
        result_predicate: Callable[[list[Out]], bool] | None = None,
        exception_predicate: Callable[[Exception], bool] | None = has_exception_predicate,
    ) -> None:
        self._attempts = int(_positive("max_attempts", max_attempts))
        self._delay = int(_positive("backoff_time_millis", to_milliseconds(backoff_time_millis)))
        self._predicate = RetryPredicate(result_predicate, exception_predicate)

    def can_retry(self, current_attempts: int) -> bool:
        """See AsyncRetryStrategy. The first attempt is none of these."""
        return current_attempts <= self._attempts

    def get_backoff_time_millis(self, current_attempts: int) -> int:
        """See AsyncRetryStrategy."""
        return self._delay

    def get_retry_predicate(self) -> AsyncRetryPredicate[Out]:
        """See AsyncRetryStrategy."""
        return self._predicate


class ExponentialBackoffDelayRetryStrategy(AsyncRetryStrategy[Out], Generic[Out]):
    """Up to `max_attempts` more attempts, `initial_delay` after the first, then `multiplier` times as long each time,
    but `max_retry_delay` at most (milliseconds, or a timedelta). Predicates as for FixedDelayRetryStrategy.

    The delay follows from the record's own attempts. (PyFlink's object remembers the last delay whosever it was, so
    that records that are tried again at the same time raise each other's.)
    """

    def __init__(  # noqa: PLR0913, PLR0917  # PyFlink's signature
        self,
        max_attempts: int,
        initial_delay: Span,
        max_retry_delay: Span,
        multiplier: float,
        result_predicate: Callable[[list[Out]], bool] | None = None,
        exception_predicate: Callable[[Exception], bool] | None = has_exception_predicate,
    ) -> None:
        self._attempts = int(_positive("max_attempts", max_attempts))
        self._first = int(_positive("initial_delay", to_milliseconds(initial_delay)))
        self._most = int(_positive("max_retry_delay", to_milliseconds(max_retry_delay)))
        self._multiplier = _positive("multiplier", multiplier)
        self._predicate = RetryPredicate(result_predicate, exception_predicate)

    def can_retry(self, current_attempts: int) -> bool:
        """See AsyncRetryStrategy. The first attempt is none of these."""
        return current_attempts <= self._attempts

    def get_backoff_time_millis(self, current_attempts: int) -> int:
        """See AsyncRetryStrategy."""
        delay = float(self._first)
        for _ in range(current_attempts - 1):
            delay = min(delay * self._multiplier, self._most)
            if delay in {0.0, self._most}:  # it stays there, after however many attempts
                break
        return int(delay)

    def get_retry_predicate(self) -> AsyncRetryPredicate[Out]:
        """See AsyncRetryStrategy."""
        return self._predicate


NO_RETRY_STRATEGY: NoRetryStrategy[Any] = NoRetryStrategy()


def _positive(name: str, value: float) -> float:
    if value <= 0:
        raise ValueError(f"{name} must be greater than 0, but is {value}")
    return value


def _callable(name: str, function: Callable[[Any], bool] | None) -> Callable[[Any], bool] | None:
    if function is not None and not callable(function):
        raise TypeError(f"{name} takes a function of one argument, or None, but got {function!r:.80}")
    return function
