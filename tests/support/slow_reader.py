"""A source whose disk is slow."""

from millstream_dataflow.connectors import Read, SourceContext, SplitReader


class SlowReader(SplitReader):
    """Waits for a job before each read of another one."""

    def __init__(self, context: SourceContext, reader: SplitReader) -> None:
        self.context = context
        self.reader = reader
        self.under_way = self.arrived = False

    def read(self, limit: int) -> Read:
        if not self.under_way and not self.arrived:
            self.under_way = True
            self.context.run_blocking(lambda: None, self.told)
        if not self.arrived:
            return Read(waits=True)
        self.arrived = False
        return self.reader.read(limit)

    def told(self, error: Exception | None) -> None:
        assert error is None
        self.under_way, self.arrived = False, True

    def position(self) -> object:
        return self.reader.position()
