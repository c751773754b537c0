"""What runs a vertex's operators: one operator a file, the chain that ties them together, and the loop they are fused
into.

Read in this order:

* `base`         what an operator is, and what it may know; `state`, what it stores; `waiting`, what it waits for
* `functions`    a user's function from open to close, with its lists (`list_state`)
* `fusion`       runs of `map`, `filter` and `flat_map` as one generated loop
* `process`      records with what is around them; `emitting`, what they give
* `map_batches`  columns by the batch; `expressions`, what is told by expressions, of rows and of columns
* `async_wait`   `async def` functions, many records at once; `async_queue`, in which order they leave (pure)
* `stamping`     times and watermarks of a split or a stream; `idleness`, its clock
* `valve`        one watermark and status out of many (pure)
* `timestamps`, `reader` with `open_splits`, `enumerator`, `sink`, `collect`
* `conversion`   rows to columns and back
* `keyed`        keys and whose turn it is; `keyed_reduce`, `keyed_process` with `timers`
* `co_process`, `keyed_co_process`  functions of two streams (`co_calls`: how they are called)
* `broadcast_process`, `keyed_broadcast_process`  functions of a stream and a broadcast one (`broadcast_state`)
* `interval_join` pairs of records with near times; `interval_buffer`, what waits for partners
* `window`       windows by key; `window_results`, what comes of them; `column_window`, columns into windows
* `grouped`      batch mode: any of these, key by key; `gathering`, what they give; `final_reduce`; `broadcast_first`
* `chain`        the tree of a vertex's operators, pulled batch by batch
* `registry`     from a specification to its operator; `building`, from a vertex to its chain
"""
