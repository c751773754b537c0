"""What can't happen if both ends keep the rules of the exchange. Errors of Millstream, never of the user."""


class ExchangeError(Exception):
    """A channel, a gate or a credit was used against its rules. The message names it, its state and what was tried."""
