"""Attributes that PyFlink's class has and ours doesn't, each with what to use instead.

Where a class has `__getattr__` of its own, `millstream.datastream.absent` says it for all names at once; here it is for
single ones, and for those that are asked of the class itself.
"""

from typing import Final, NoReturn


class NotThere:
    """In the place of the attribute: who asks for it gets an AttributeError with a sentence, so `hasattr` is as true as
    ever.
    """

    __slots__ = ("instead", "name")

    def __init__(self, instead: str) -> None:
        self.instead: Final = instead
        """Why, and what to do instead."""
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{name} of {owner.__name__}"

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        raise AttributeError(f"{self.name} isn't there: {self.instead}", name=self.name.partition(" ")[0], obj=instance)
