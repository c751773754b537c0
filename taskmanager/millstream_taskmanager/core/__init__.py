"""What a TaskManager decides, without a wire, a clock or a thread: events in, commands out.

Read events and commands, then ledger (what the leader hasn't confirmed), workers (who occupies a slot), core.
"""
