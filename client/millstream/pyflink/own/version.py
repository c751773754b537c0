"""Which PyFlink a program finds."""

__version__ = "2.3.0"
