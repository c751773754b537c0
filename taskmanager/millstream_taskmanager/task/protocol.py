"""What can't come in if the peers keep the rules."""


class ProtocolError(Exception):
    """A control element or a command that is out of order. An error of Millstream, never of the user."""
