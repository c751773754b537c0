"""`Configuration` as a program makes it, call by call. Names and meanings are PyFlink's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from millstream.datastream.settings import text_of, texts_of


class Configuration(Mapping[str, str]):
    """Keys and values for `get_execution_environment(configuration)` and `env.configure(configuration)`.

    Setters return the same object. ConfigurationError, when the call is made, names a key that isn't known, with the
    nearest one, or a value that isn't accepted. Whatever takes a dict of keys takes it too.

    >>> Configuration().set_integer("parallelism.default", 2).get_string("parallelism.default", "")
    '2'
    """

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self._texts: dict[str, str] = {}
        for key, value in (values or {}).items():
            self._set(key, value)

    def __getitem__(self, key: str) -> str:
        """The value as it is written in a file; KeyError for a key that was not set here."""
        return self._texts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"Configuration({self._texts!r})"

    @classmethod
    def from_dict(cls, map: Mapping[str, object]) -> Configuration:  # noqa: A002  # PyFlink's signature
        """The same as `Configuration(map)`."""
        return cls(map)

    @staticmethod
    def parse_list_value(value: str) -> list[str]:
        """The values of a text that holds several: `a;b`, or `[a, b]` as YAML writes them."""
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            return [part.strip().strip("'\"") for part in text[1:-1].split(",") if part.strip()]
        return text.split(";") if text else []

    # ------------------------------------------------------------------------------------------- PyFlink's names

    def set_string(self, key: str, value: str) -> Configuration:
        """Set a key to a value as it would be written in a file: `"10 s"`."""
        return self._set(key, value)

    def set_integer(self, key: str, value: int) -> Configuration:
        """Set a key to a whole number."""
        return self._set(key, value)

    def set_float(self, key: str, value: float) -> Configuration:
        """Set a key to a number."""
        return self._set(key, value)

    def set_boolean(self, key: str, value: bool) -> Configuration:  # noqa: FBT001  # PyFlink's signature
        """Set a key to true or false."""
        return self._set(key, value)

    def get_string(self, key: str, default_value: str) -> str:
        """The value as it is written in a file; the default when the key was not set here."""
        return self._texts.get(key, default_value)

    def get_integer(self, key: str, default_value: int) -> int:
        """The value; ValueError when it is no whole number."""
        return int(self._texts[key]) if key in self._texts else default_value

    def get_float(self, key: str, default_value: float) -> float:
        """The value; ValueError when it is no number."""
        return float(self._texts[key]) if key in self._texts else default_value

    def get_boolean(self, key: str, default_value: bool) -> bool:  # noqa: FBT001  # PyFlink's signature
        """The value; false unless it is true."""
        return self._texts[key].lower() == "true" if key in self._texts else default_value

    def get_bytearray(self, key: str, default_value: bytearray) -> bytearray:
        """The bytes of the value as it is written in a file, in UTF-8; the default when the key was not set here."""
        return bytearray(self._texts[key].encode()) if key in self._texts else default_value

    def set_bytearray(self, key: str, value: bytearray) -> Configuration:
        """Set a key to the text of these bytes; UnicodeDecodeError unless they are UTF-8."""
        return self._set(key, value.decode())

    def contains_key(self, key: str) -> bool:
        """Whether it was set here."""
        return key in self._texts

    def key_set(self) -> set[str]:
        """All keys that were set here."""
        return set(self._texts)

    def to_dict(self) -> dict[str, str]:
        """Keys to values as they are written in a file."""
        return dict(self._texts)

    def add_all_to_dict(self, target_dict: dict[str, str]) -> None:
        """Put keys and values into a dict of the program's."""
        target_dict.update(self._texts)

    def add_all(self, other: Mapping[str, object], prefix: str = "") -> Configuration:
        """Set all of another one's keys, each with the prefix before it."""
        for key, value in other.items():
            self._set(prefix + key, value)
        return self

    def remove_config(self, key: str) -> bool:
        """Forget a key; whether it had been set."""
        return self._texts.pop(key, None) is not None

    def _set(self, key: str, value: object) -> Configuration:
        texts_of({key: value})  # raises what is wrong with them
        self._texts[key] = text_of(key, value)
        return self
