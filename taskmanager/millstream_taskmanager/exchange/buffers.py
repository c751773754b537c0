"""Bytes on their way. Apart from frames, which need numpy, since TaskManagers have buffers too and no numpy."""

Buffer = bytes | bytearray | memoryview
