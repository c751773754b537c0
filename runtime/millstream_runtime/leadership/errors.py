"""How asking ZooKeeper can fail."""


class UnansweredError(Exception):
    """Nobody knows whether it was done: the connection was lost, the session has ended, no answer came in time."""


class ZooKeeperDeniedError(Exception):
    """ZooKeeper doesn't let this process do it; the sentence says what."""
