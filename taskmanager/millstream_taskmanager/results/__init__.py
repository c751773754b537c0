"""Blocking exchanges: what a stage of a batch job leaves for the next one, as files that outlive its workers (law 5.2).

    task of a stage ──> one file an edge, with a part for each target ──> tasks of later stages
                        it lies with the TaskManager, and stays when the worker has left
                        read by path on the same machine, else through the TaskManager's data port, by `sendfile`

Read in this order:

* `layout`      the file: frames in segments, and an index of what is whose
* `writing`     one file as it grows, and the sending end of each channel
* `partitions`  what one target finds in a file
* `requests`    the same from another machine: what is asked, and answered
* `reading`     all that a task reads, brought into its gate as from any channel
* `serving`     the TaskManager's side of `requests`
* `places`      which file is whose; when it goes
"""
