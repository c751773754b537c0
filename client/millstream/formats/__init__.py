"""How records lie in files: text lines and CSV. Workers import formats by reference, as connectors (law 12.3).

* `charsets`       files are UTF-8, and another charset is refused
* `lines`          a block of lines; what a format makes of it
* `stream_format`  what a format is; a line of text is a record
* `columns`        the columns of a CSV file as a user declares them
* `csv`            CSV as columns, and which line is to blame when it isn't
* `encoding`       records become bytes: an `Encoder`, and the one for text
* `csv_encoding`   the one for CSV
"""
