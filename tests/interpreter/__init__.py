"""The judge: what a program's results are, by the plainest code that a reader believes at once.

It walks the program's transformations with one record after the other, in one process, and shares no code with the
workers: no batches, no credit, no state backend, no snapshots, no parallelism. Meanings are those of Flink's
documentation. Random pipelines are run by real tasks that crash, and must give what it says.

Read in this order:

* `stream`       what a record is, and a `Rule`: what one operator does with a record and with a watermark
* `rows`         map, flat_map, filter, process, asynchronous waits
* `times`        times and watermarks of a stream's own
* `columns`      expressions, and functions of batches
* `memory`       state by name and key: dictionaries, of what may get too old
* `keyed`        functions of one key, of one input or of two, and their timers; running reductions
* `broadcast`    functions of keys that read rules
* `assigners`    whose windows a record is
* `windows`      windows of all kinds, with triggers, evictors, lateness, firings and state
* `joins`        interval joins
* `batch`        what all of these do in batch mode
* `interpreter`  all of it together: `interpret(program, steps)`
* `stages`, `keyed_stages`, `column_stages`, `waits`, `meetings`  calls on one stream, and on two, as values
* `window_stages`, `own_triggers`, `window_choices`  windows as values, and which there are
* `inputs`       splits of records, with pauses
* `pipelines`    random programs of all these
* `lives`        a program run by real tasks that are stopped anywhere and go on elsewhere; `modes`, run inline

A new family of operators is one more file of rules, an entry in `interpreter.RULES`, and a stage.

Not here: most functions of expressions, nulls in columns, broadcast state without keys, sources that are aligned with
others.
"""
