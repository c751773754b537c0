"""PyFlink's names over Millstream's classes, so that a program that was written for PyFlink runs as it is.

    import millstream.pyflink; millstream.pyflink.install()

ahead of such a program, or `millstream run --pyflink program.py`, and `from pyflink.datastream import ...` gives
Millstream's classes. Nothing of PyFlink needs to be installed, and nothing of it is in here but names.

Read `presented` (which names, by module), `homes` (where each of them is), `absent` (why others aren't there),
`refusals` (what a program is told that imports one), `finder` (how Python comes to see them as modules), then
`on_workers` (how workers do).
"""

from millstream.pyflink.finder import install, uninstall

__all__ = ["install", "uninstall"]
