"""What a program is and what its words mean: identities, job graph, keys, time, state, records, configuration.

Everything here is pure: no I/O, no clock, no chance, no asyncio, so that client, JobManager, workers and simulation
can share it. Begin with `identity`, the names of things that all the others use.
"""
