"""Where our code meets the user's, whoever of us calls it: operators, partitioners, codecs and state.

Read in this order:

* `errors`     an error in a user's code, with operator, record and source line
* `forks`      what becomes of a process that a user's code has forked
* `selectors`  the keys of records
* `copies`     one record for more than one consumer
"""
