"""Everything the core decides about checkpoints. Read decider (when), ids (under which name), pending (one in
flight), completed (what is kept), audit (whether the counts balance), coordinator (the five together), restore (from
metadata to the state of new subtasks).
"""
