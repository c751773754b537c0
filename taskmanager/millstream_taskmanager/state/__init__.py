"""Keyed state in memory: dictionaries by the identity of the key (ARCHITECTURE 8). It isn't stored in checkpoints yet.

Read `current_key` (whose turn it is), `tables` (where entries lie), `handles` (what a function holds), then `store`.
"""
