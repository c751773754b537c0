"""The judge: what a program's results are, by the plainest code that a reader believes at once.

It walks the program's transformations with one record after the other, in one process, and shares no code with the
workers: no batches, no credit, no state backend, no snapshots, no parallelism. Meanings are those of Flink's
documentation. Random pipelines are run by real tasks that crash, and must give what it says.

Read in this order:

* `stream`       what a record is, and a `Rule`: what one operator does with a record and with a watermark
* `rows`         map, flat_map, filter, process, asynchronous waits
* `memory`       state by name and key: dictionaries
* `keyed`        functions of one key, of one input or of two, and their timers; running reductions
* `broadcast`    functions of keys that read rules
* `assigners`    whose windows a record is
* `windows`      windows of all kinds, with triggers, evictors, lateness, firings and state
* `joins`        interval joins
* `interpreter`  all of it together: `interpret(program, steps)`
* `stages`, `window_stages`, `meetings`  calls on one stream, windows, calls on two, as values
* `pipelines`    random programs of them, and their inputs
* `lives`        a program run by real tasks that are stopped anywhere and go on elsewhere

A new family of operators is one more file of rules, an entry in `interpreter.RULES`, and a stage.

Not here yet: columns and expressions, broadcast without keys, times to live that end, batch against streaming.
"""
