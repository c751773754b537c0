"""What the service takes from the configuration."""

import socket

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_taskmanager.service.settings import advertised_host, link_settings, port_settings


def configured(**options: str) -> Configuration:
    configuration = Configuration()
    for key, value in options.items():
        configuration = configuration.with_text(key, value)
    return configuration


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, "localhost"),
        ({"taskmanager.bind-host": "10.0.0.7"}, "10.0.0.7"),
        ({"taskmanager.bind-host": "0.0.0.0"}, socket.gethostname()),
        ({"taskmanager.bind-host": "::"}, socket.gethostname()),
        ({"taskmanager.bind-host": "0.0.0.0", "taskmanager.host": "tm-3.example.org"}, "tm-3.example.org"),
    ],
)
def test_others_are_told_a_host_that_they_can_reach(options: dict[str, str], host: str) -> None:
    assert advertised_host(configured(**options)) == host


def test_durations_are_milliseconds_and_sizes_bytes() -> None:
    link = link_settings(configured(**{"rpc.call-timeout": "3 s", "rpc.max-message-size": "128 kb"}), None)
    assert (link.call_timeout, link.message_limit) == (3_000, 128 << 10)
    ports = port_settings(
        configured(
            **{
                "taskmanager.network.handshake-timeout": "1 s",
                "taskmanager.network.peer-ping-interval": "2 s",
                "taskmanager.network.peer-timeout": "9 s",
            }
        )
    )
    assert (ports.handshake_timeout, ports.ping_interval, ports.ping_timeout) == (1_000, 2_000, 9_000)
