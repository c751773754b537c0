"""What a stream's calls ask of a watermark strategy beyond its being one."""

from typing import Any

from millstream.datastream.arguments import accepted_instance
from millstream.datastream.call_site import call_site
from millstream.errors import ArgumentError
from millstream_dataflow.time import WatermarkStrategy


def accepted_strategy(call: str, strategy: WatermarkStrategy[Any], *, reads_splits: bool) -> None:
    """Refuse what is no strategy, and one that aligns sources where no split is read that could be paused (in Flink it
    has no effect there).
    """
    accepted_instance(call, strategy, WatermarkStrategy, "a WatermarkStrategy")
    if not reads_splits and strategy.alignment is not None:
        what = f"{call} can't align a stream with the group {strategy.alignment.group!r}: only a source can be paused"
        mend = "give the strategy to from_source(source, strategy)"
        raise ArgumentError(what, mend, defined_at=call_site())
