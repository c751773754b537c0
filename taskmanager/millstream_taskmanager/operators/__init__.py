"""What runs a vertex's operators: one operator a file, the chain that ties them together, and the loop they are fused
into.

Read in this order:

* `errors`       an error in a user's code, with operator, record and source line
* `base`         what an operator is, and what it may know
* the operators  `map_batches`, `process`, `timestamps`, `sink`, `collect`, and `fusion` for map, flat map and filter
* `conversion`   rows to columns and back
* `copies`       one record for more than one consumer
* `registry`     from a specification to its operator
* `chain`        the tree of a vertex's operators, pulled batch by batch
"""
