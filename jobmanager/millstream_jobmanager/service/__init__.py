"""What carries out the JobManager's decisions: asyncio, gRPC, threads for the store and for files. It decides nothing.

Read addresses and settings, then shell (owns the core), carrier (store and storage), blobs; outbox and sessions
(TaskManagers); rpc and refusals, submissions, questions, output and gateway (clients); last lines,
startup and server.
"""
