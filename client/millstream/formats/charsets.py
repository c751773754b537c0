"""Charsets: text in files is UTF-8."""

import codecs


def check_utf8(call: str, charset_name: str) -> None:
    """ValueError unless the charset is UTF-8, under whatever name."""
    try:
        known = codecs.lookup(charset_name).name
    except LookupError:
        known = ""
    if known != "utf-8":
        raise ValueError(
            f"{call}: files are read and written in UTF-8 alone, but got the charset {charset_name!r}; "
            "write them anew, as `iconv -t UTF-8` does"
        )
