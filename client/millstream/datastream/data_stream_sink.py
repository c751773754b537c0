"""The end of a stream."""

from millstream.datastream.operator_settings import OperatorSettings
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.transformations import OperatorTransformation


class DataStreamSink(OperatorSettings):
    """A sink of the program; only its settings are left to say."""

    set_uid_hash = NotThere("set the operator's uid")

    def __init__(self, transformation: OperatorTransformation) -> None:
        self._transformation = transformation
