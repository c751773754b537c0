"""What can be a name or another text of the user's: of a job, an operator, a state, a side output."""

from typing import Final

from millstream_dataflow.reprs import bounded_repr, short_repr

_LONGEST_NAME: Final = 500  # characters: it stands in lists, logs and messages


def name_problem(name: object) -> str | None:
    """Why something is no name, as the end of a sentence; None: it is one."""
    if isinstance(name, str) and len(name) > _LONGEST_NAME:
        return f"{short_repr(name)} has {len(name):,} characters, and {_LONGEST_NAME} at most are taken"
    return text_problem(name)


def text_problem(text: object) -> str | None:
    """The same of a text, which may be of any length."""
    if not isinstance(text, str):
        return f"{short_repr(text)} is no str"
    if not text.strip():
        return "got an empty one"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{bounded_repr(text)} has a lone surrogate, which is no character"
    return None
