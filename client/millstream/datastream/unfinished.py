"""What stands between two streams: windows, keys of a join, bounds. It is a stream once more has been said of it."""

from typing import TYPE_CHECKING, ClassVar, NoReturn

from millstream.compiler.naming import with_article


class Unfinished:
    """Who asks it for what only a stream has is told what to say next (AttributeError)."""

    _next: ClassVar[str]
    """What to say next."""

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            kind = with_article(type(self).__name__)
            raise AttributeError(f"{kind} has no {name!r}; {self._next}", name=name, obj=self)
