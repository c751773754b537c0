"""The program that worker processes are forked from: everything is imported, nothing runs (law 13.1).

Read `command` (how it is started), `requests` (what is said over its socket), `parent` (how a process dies with its
parent), `preload` (imports and settings that every worker inherits), `child` (from a fork to a worker), then `server`
(the loop). `__main__` is what is exec'd.
"""
