"""The command line. Read `main` first, then `exit_codes`; each verb is a file of its own name.

What verbs share: `options` (spelled, read and explained alike), `answers` (errors and their exit codes), `connection`
(the JobManager, and jobs by the beginning of their id), `shown` (values for people and for programs), `program` (a
script run in this process), `progress` (of a job that one waits for), `serving` (a process that runs until it is told
to end), `collector` (Python's own, while we import), `entry` and `interrupts` (Ctrl-C from the first line on), `output`
(that can't be written). Only this package imports click, so that a worker never loads it.
"""
