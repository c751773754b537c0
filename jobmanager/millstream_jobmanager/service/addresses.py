"""Where a JobManager listens, and what its clients connect to."""

from dataclasses import dataclass

from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem, is_loopback
from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.options import high_availability, jobmanager

MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path, the same on every Linux; others allow fewer, and say so when it is bound."""

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not bound
"""Every address, and the one by which this host reaches what listens there."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a port (0: a free one), or, with `path`, a Unix socket. Made by `tcp`, `unix` or `configured`."""

    host: str
    port: int
    path: str

    @classmethod
    def tcp(cls, host: str, port: int) -> "ListenAddress":
        """A host and a port; 0 takes a free one. `localhost` is 127.0.0.1, whatever else the name may mean here."""
        return cls("127.0.0.1" if host.lower().rstrip(".") == "localhost" else host, port, "")

    @classmethod
    def unix(cls, path: str) -> "ListenAddress":
        """A Unix socket, which only this user reaches."""
        return cls("", 0, path)

    @classmethod
    def configured(cls, configuration: Configuration) -> "ListenAddress":
        """What `jobmanager.bind-host` and `jobmanager.rpc.port` say."""
        return cls.tcp(configuration.get(jobmanager.BIND_HOST), configuration.get(jobmanager.RPC_PORT))

    def target(self, port: int) -> str:
        """What a gRPC client on this host connects to, once `port` is known."""
        if self.path:
            return f"unix:{self.path}"
        host = _EVERYWHERE.get(self.host, self.host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def advertised(self, configuration: Configuration, port: int) -> str:
        """Where others reach it, as it is written into ZooKeeper: by `jobmanager.host`, else as it is bound."""
        host = self._advertised_host(configuration)
        return self.target(port) if self.path else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def check_advertised(self, configuration: Configuration) -> None:
        """ConfigurationError where others may reach it, and ZooKeeper would send them to themselves. Who writes a
        loopback address as `jobmanager.host` has all of them on one host, and is believed.
        """
        if configuration.get(high_availability.TYPE) is not HighAvailability.ZOOKEEPER or self.path:
            return
        own, host = jobmanager.HOST_NAME, self._advertised_host(configuration)
        if configuration.get(own) is None and is_loopback(host) and not is_loopback(self.host):
            reason = f"as the leader this JobManager, which listens on {self.host}, would be announced as {host}"
            mend = "write the name or address at which other hosts reach this one, another for each JobManager"
            raise ConfigurationError(Problem(reason, mend, own.key, configuration.text(own), configuration.origin(own)))

    def _advertised_host(self, configuration: Configuration) -> str:
        host = configuration.get(jobmanager.HOST_NAME) or self.host
        return configuration.get(jobmanager.RPC_ADDRESS) if host in _EVERYWHERE else host

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"
