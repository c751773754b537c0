"""What the JobManager decides, without a wire, a clock or a thread: events in, commands out.

Read events and commands, then settings, slots, restart, journal, checkpoints/; then region, deployer, failover,
leftovers, ending, job; last sessions, submission, cluster.
"""
