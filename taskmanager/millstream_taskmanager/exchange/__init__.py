"""How elements get from task to task: from a partitioner's parts to the queues of the task that takes them.

Read in this order:

* `errors`        what can't happen if both ends keep the rules
* `credits`       how many bytes may be under way: pure accounting of both ends
* `channel`       the sending and the receiving end of a channel, and the channel inside one process
* `gate`          the queues of all channels into one task
* `elements`      how many bytes a batch counts
* `pending`       what is not yet sent on one channel: open batches, and the controls between them
* `dealing`       a batch dealt out to channels
* `partitioners`  which channel a record goes to
* `output`        one edge out of a task, and all of them

Then the wire, between the workers of a region's attempt:

* `buffers`       bytes on their way
* `frames`        bytes to frames; sequence numbers (pure)
* `codecs`        elements to payloads (pure)
* `in_flight`     elements of a channel as a checkpoint stores them
* `remote`        the two ends of a channel between workers
* `wire`          what bytes go by, `tls`: between hosts that don't trust their network
* `outbox`        what waits for a wire
* `polling`       how sockets are waited for
* `countdown`     limits of time, for a loop that may stand still
* `handshake`     who may talk to whom (pure), `preface`, `addresses`
* `greeting`      a handshake on a wire
* `connection`    one wire that stands
* `link`          everything between this worker and one other
* `dialling`      connecting, again and again
* `peers`         all links of a worker
"""
