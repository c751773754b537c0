"""PyFlink's `MemorySize`: a number of bytes."""

from dataclasses import dataclass

from millstream_dataflow.not_there import NotThere


@dataclass(frozen=True, slots=True, order=True)
class MemorySize:
    """So many bytes: `MemorySize.of_mebi_bytes(64)`."""

    bytes_size: int

    get_java_memory_size = NotThere("no Java runs here; get_bytes() tells the size")

    def __post_init__(self) -> None:
        """ValueError for less than nothing."""
        if self.bytes_size < 0:
            raise ValueError(f"a size in bytes is 0 or more, but got {self.bytes_size}")

    @staticmethod
    def of_mebi_bytes(mebi_bytes: int) -> "MemorySize":
        """So many times 2**20 bytes."""
        return MemorySize(mebi_bytes << 20)

    def get_bytes(self) -> int:
        """The bytes."""
        return self.bytes_size

    def get_kibi_bytes(self) -> int:
        """Whole multiples of 2**10 bytes."""
        return self.bytes_size >> 10

    def get_mebi_bytes(self) -> int:
        """Whole multiples of 2**20 bytes."""
        return self.bytes_size >> 20

    def get_gibi_bytes(self) -> int:
        """Whole multiples of 2**30 bytes."""
        return self.bytes_size >> 30

    def get_tebi_bytes(self) -> int:
        """Whole multiples of 2**40 bytes."""
        return self.bytes_size >> 40

    def __str__(self) -> str:
        return f"{self.bytes_size} bytes"
