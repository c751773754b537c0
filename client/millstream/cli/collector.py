"""Python's garbage collector, which finds nothing in what a command imports, and yet looks at it again and again: among
the imports, and six times when the process ends. `millstream run` would take a quarter longer.
"""

import gc


def rest() -> None:
    """Collect nothing until `settle`. Called by the process that is our command, not by one that only uses it."""
    gc.disable()


def settle() -> None:
    """What there is now stays to the end; from now on garbage is collected. Nothing is done without a `rest` before."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
