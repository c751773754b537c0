"""What processes say to each other and what they store, as frozen values; protobuf is only their form on the wire.

Read failures, snapshots, deployments, session (JobManager and TaskManager), worker (TaskManager and worker), client,
record (the job store), then codec, which turns each of them into its protobuf message of the same name and back, and
parts, for messages that are too large for the stream. `collect` stands aside: msgpack that only its two ends read.
"""
