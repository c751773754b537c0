"""Files as a source, and as a sink that commits exactly once.

Read in this order:

* `source`       `FileSource`, as a user writes it
* `paths`        from a path, a pattern or a URI to the files it names
* `splits`       what a reader reads at a time, and who finds them
* `streams`      the bytes of a file from an offset on, gzip or not
* `reader`       bytes become batches; where a restored reader goes on
* `sink`         `FileSink`, as a user writes it
* `policies`     PyFlink's name for how files are cut
* `buckets`      and for the folders in which they lie
* `names`        what part files are called, so that no name is ever used twice (law 6.2)
* `directories`  the few things that a sink does to a directory, on a disk and on other file systems
* `writer`       one part file from each barrier to the next
* `committer`    pending files become visible; what former attempts left is deleted (laws 6.1 and 6.2)
"""
