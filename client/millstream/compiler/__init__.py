"""From the user's calls to a job graph. Pure but for `modules`, which reads the source files that travel with a job.

    transformations -> stream_graph -> checks -> chaining -> ids -> job_graph
                                                     pickling, modules /

Read in this order: `stream_graph` (nodes and edges), `checks` (what is refused), `chaining` (which operators share a
vertex), `ids` (which names outlive a submit), `naming` (what people call operators), `pickling` and `culprit`
(functions), `modules` and `imports` (source files), `job_graph` (all of it together: `compile_program`).
"""
