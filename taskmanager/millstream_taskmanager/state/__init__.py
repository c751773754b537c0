"""Keyed state in memory, and snapshots of it that stop nobody (ARCHITECTURE 8).

Read in this order:

* `current_key`  whose turn it is
* `key_space`    which keys are a subtask's, and in which form they came first
* `tables`       where entries lie
* `handles`      what a function holds, `store` where it asks for it
* `declared`     whether what is put in goes with what is declared
* `windows`      windows as plain values
* `runs`         entries as bytes
* `types`        whether what was stored goes with what is declared now
* `shadow`       a table as it was at a cut, encoded in slices while the table goes on
* `snapshot`     all tables of an operator at a cut
* `group_times`  how far event time had come for each key group
* `backend`      these together: what an operator on a keyed stream has
"""
