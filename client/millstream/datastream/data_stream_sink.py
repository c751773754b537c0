"""The end of a stream."""

from millstream.datastream.operator_settings import OperatorSettings
from millstream_dataflow.transformations import OperatorTransformation


class DataStreamSink(OperatorSettings):
    """A sink of the program; only its settings are left to say."""

    def __init__(self, transformation: OperatorTransformation) -> None:
        self._transformation = transformation
