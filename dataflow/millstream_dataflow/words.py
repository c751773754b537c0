"""Numbers in sentences."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 slot`, `2 slots`, `12,000 records`. `plural` where it isn't the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
