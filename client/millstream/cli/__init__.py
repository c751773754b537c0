"""The command line. Read `main` first, then `exit_codes`; each verb is a file of its own name.

Only this package imports click, so that a worker never loads it.
"""
