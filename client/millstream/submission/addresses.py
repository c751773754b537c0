"""Where the JobManager is, as gRPC wants it said."""

from millstream_dataflow.configuration import Configuration, Origin
from millstream_dataflow.configuration.options import jobmanager


def target_of(configuration: Configuration) -> str:
    """`host:port` of the JobManager that the configuration names; an IPv6 address stands in brackets."""
    return join(configuration.get(jobmanager.RPC_ADDRESS), configuration.get(jobmanager.RPC_PORT))


def join(host: str, port: int) -> str:
    """Host and port as one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def with_address(configuration: Configuration, address: str, origin: Origin) -> Configuration:
    """The configuration with the JobManager at `host` or `host:port`.

    ValueError when the address is neither; ConfigurationError when host or port can't be one.
    """
    host, port = _split(address)
    changed = configuration.with_text(jobmanager.RPC_ADDRESS.key, host, origin)
    return changed.with_text(jobmanager.RPC_PORT.key, port, origin) if port else changed


def _split(address: str) -> tuple[str, str]:
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{address!r} is no address; write host, host:port or [IPv6 address]:port")
        return host, rest[1:]
    if address.count(":") > 1:
        return address, ""  # an IPv6 address without a port
    host, _, port = address.partition(":")
    if not host:
        raise ValueError(f"{address!r} is no address; write host, host:port or [IPv6 address]:port")
    return host, port
