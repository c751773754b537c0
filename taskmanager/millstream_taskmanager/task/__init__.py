"""One task: a subtask of a vertex in one attempt. What decides is pure and apart; what acts asks it.

Read in this order:

* `protocol`         what can't come in if the peers keep the rules
* `alignment`        when a snapshot is due, and which channels wait for it (law 4.2)
* `ending`           end of data, finish, final checkpoint, end (law 5)
* `snapshot`         the parts of one snapshot until it is handed over
* `doors`            what a task may ask of its surroundings
* `timers`           calls at a time
* `commits`          what goes outside, one after the other
* `pump`             what a task is at, as far as credit goes
* `cuts`             what alignment decides, done
* `stage`            what binds a task to the stages before and behind its own
* `restored`         what a task begins with
* `task`             a task's life, and what a step of it does
* `operator_task`    a task that takes its input from a gate
* `source_task`      a task that reads splits; `aligned_source`, one that keeps together with others in event time;
  `local_alignment`, those of one thread among themselves
* `enumerator_task`  a task that finds splits and gives them to readers
* `restoring`        the same, from the files of a checkpoint
"""
