"""The deterministic simulation: the real product in a virtual cluster, all driven by one seed.

Real are the cores of JobManager and TaskManager, the shell around the former, election, tenure and fence, the job store
of several JobManagers, the way in which a TaskManager finds the leader, and the alignment of tasks. Virtual are clock,
network, ZooKeeper, storage, processes, and what tasks compute.

Read world (clock, chance, story), fibres and process (what blocks, dies or is stopped, in virtual time), zookeeper,
storage and stores (what outlives processes), wire, worker, taskmanager, term and jobmanager, outside (what must be
true), enemy (what goes wrong), scenario (what a seed does), broken (what must be found out), story (how it is told).
`python -m tests.simulation --seed N` replays a seed and prints its story.

Simulated:

* one to three JobManagers that stand for election, lead, step down, resign, are killed at any moment and between any
  two steps of a write, are stopped for less or more than their lease, and start again;
* ZooKeeper with sessions, their timeout, ephemeral nodes, watches, versions and transactions: connections that break
  with a write under way (done and unanswered; not done; done late, when another leads), or are gone for less or more
  than the session timeout; a lost majority; all sessions ended at once;
* the job store's directory: each step of each write can be refused or unknown in both truths, or land late, or be the
  last thing that a process does;
* networks cut between JobManager and ZooKeeper, JobManager and TaskManager (noticed or swallowed in silence),
  TaskManager and ZooKeeper, and messages that come twice or long after their stream has ended;
* TaskManagers that die, are stopped, leave, come back with what they ran; workers that die; tasks that fail;
* clients that submit until they are answered, and ask for savepoints, stops and cancels;
* a job's end: its tombstone, and that nothing of it is left when that is gone.

Not simulated: threads that run at the same time (between two steps others act, within one nobody does); clocks that run
at different speeds; servers of ZooKeeper one by one; a single JobManager's local store (one JobManager with ZooKeeper
is; `tests/unit/jobmanager/store` kills the local one's writer); a ZooKeeper that has lost its data; damaged files;
deletions of a whole job that fail; uploads of blobs; gRPC, TLS and tokens; real operators, which
`tests/unit/taskmanager/task` crashes at any step.
"""
