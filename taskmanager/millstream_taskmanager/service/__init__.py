"""The TaskManager's shell: it carries out what the core decides, and decides nothing itself.

Read `service` (the parts, and the order in which they start and end), `shell` (events to the core, commands from it),
`session` with `outgoing` (the stream with the leader), `launcher` with `blobs` and `fetching` (from a deployment to a
process), `data_port`, `peer_pairs` and `pings` (other TaskManagers), then `resource` and `directories`.
"""

from millstream_taskmanager.service.service import TaskManagerService

__all__ = ["TaskManagerService"]
