"""A proxy that is cut passes nothing on, and tells nobody that an end has closed."""

import socket

import pytest

from tests.support.cables import Proxy
from tests.support.clusters import free_port


def test_an_end_that_closes_while_the_cable_is_cut_is_heard_of_when_it_is_mended() -> None:
    here = ("127.0.0.1", free_port())
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = Proxy(here, server.getsockname())
        try:
            with socket.create_connection(here) as client:
                accepted, _ = server.accept()
                with accepted:
                    proxy.cut()
                client.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    client.recv(1)
                client.settimeout(5)
                proxy.mend()
                assert client.recv(1) == b""
        finally:
            proxy.close()
