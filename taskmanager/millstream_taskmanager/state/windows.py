"""Windows as they are stored: plain tuples, since a savepoint outlives the names of our classes. A user's own windows
are stored as they are, by pickle.
"""

from millstream_dataflow.windows import CountWindow, GlobalWindow, TimeWindow, Window


def packed_window(window: Window) -> object:
    """(start, end) of a TimeWindow, (id,) of a CountWindow, () of the GlobalWindow."""
    kind = type(window)
    if isinstance(window, TimeWindow) and kind is TimeWindow:
        return window.start, window.end
    if isinstance(window, CountWindow) and kind is CountWindow:
        return (window.id,)
    return () if kind is GlobalWindow else window


def unpacked_window(stored: object) -> Window:
    """The window of what was stored."""
    match stored:
        case Window():
            return stored
        case (int(start), int(end)):
            return TimeWindow(start, end)
        case (int(number),):
            return CountWindow(number)
        case _:
            return GlobalWindow()


def packed_timer(timer: tuple[int, Window]) -> tuple[int, object]:
    """A time and the window that waits for it."""
    return timer[0], packed_window(timer[1])


def unpacked_timer(stored: tuple[int, object]) -> tuple[int, Window]:
    """The same again."""
    return stored[0], unpacked_window(stored[1])
