"""PyFlink's `ConfigOptions`: a key with the type of its values and a default, as a value."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConfigOption(Generic[T]):
    """A key, what type its values have, and what counts where nobody sets it: a value of a program's own, as in
    `configuration.get_integer(option.key, option.default)`.
    """

    key: str
    type: type[T]
    default: T | None = None

    def __str__(self) -> str:
        return self.key


class ConfigOptions:
    """Makes them: `ConfigOptions.key("parallelism.default").int_type().default_value(1)`."""

    class TypedConfigOptionBuilder(Generic[T]):
        """Asks for the default."""

        def __init__(self, key: str, kind: type[T]) -> None:
            self._key = key
            self._type = kind

        def default_value(self, value: T) -> ConfigOption[T]:
            """The option. TypeError for a default of another type."""
            accepts = (int, float) if self._type is float else self._type
            if not isinstance(value, accepts) or (isinstance(value, bool) and self._type is not bool):
                raise TypeError(f"{self._key} holds {self._type.__name__} values, but got the default {value!r}")
            return ConfigOption(self._key, self._type, value)

        def no_default_value(self) -> ConfigOption[T]:
            """The option, None where nobody sets it."""
            return ConfigOption(self._key, self._type)

    class OptionBuilder:
        """Asks for the type."""

        def __init__(self, key: str) -> None:
            self._key = key

        def boolean_type(self) -> "ConfigOptions.TypedConfigOptionBuilder[bool]":
            """True or false."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, bool)

        def int_type(self) -> "ConfigOptions.TypedConfigOptionBuilder[int]":
            """Whole numbers."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, int)

        def long_type(self) -> "ConfigOptions.TypedConfigOptionBuilder[int]":
            """Whole numbers: Python's have no greatest."""
            return self.int_type()

        def float_type(self) -> "ConfigOptions.TypedConfigOptionBuilder[float]":
            """Numbers."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, float)

        def double_type(self) -> "ConfigOptions.TypedConfigOptionBuilder[float]":
            """Numbers: Python's are as exact as Java's doubles."""
            return self.float_type()

        def string_type(self) -> "ConfigOptions.TypedConfigOptionBuilder[str]":
            """Text."""
            return ConfigOptions.TypedConfigOptionBuilder(self._key, str)

    @staticmethod
    def key(key: str) -> "ConfigOptions.OptionBuilder":
        """Begins one."""
        return ConfigOptions.OptionBuilder(key)
