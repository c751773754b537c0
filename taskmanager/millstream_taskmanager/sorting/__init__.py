"""Records in the order of their keys, more of them than memory holds: batch mode's way to one key at a time.

Read in this order:

* `blocks`    records with what they are ordered by, as parallel columns
* `runs`      sorted blocks in a file, checked as they are read
* `merging`   many sorted runs as one
* `held`      how much memory records take
* `sorter`    what comes in any order, in memory or beyond it
* `backlog`   what waits as it has come, in memory or beyond it
"""
