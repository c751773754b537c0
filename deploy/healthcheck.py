"""Asks the process of this container whether it lives, at the port that its configuration names.

For HEALTHCHECK of the image, which has no curl. It reads what the process reads (millstream.yaml in
MILLSTREAM_CONF_DIR, MILLSTREAM_* variables), but not its command line. Ends with 0 when the process lives, and when no
health.port is set, as for a client; else with 1, and the reason on stdout, where `docker inspect` shows it.
"""

import http.client
import os
import sys

from millstream_dataflow.configuration.options import health
from millstream_runtime.configuration import read_configuration

TIMEOUT_S = 3
"""Below the 5 s that HEALTHCHECK gives, so that the reason is told by us."""

EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104  # nothing is bound: these mean that loopback is among them


def main() -> str | None:
    """None when all is well, else what is wrong."""
    configuration = read_configuration(environment=os.environ)
    port = configuration.get(health.PORT)
    if port is None:
        return None
    host = configuration.get(health.BIND_HOST)
    connection = http.client.HTTPConnection("localhost" if host in EVERY_ADDRESS else host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        return None if answer.status == http.HTTPStatus.OK else f"/livez answered {answer.status}: {answer.read(200)!r}"
    except OSError as error:
        return f"/livez at {host}:{port} can't be asked: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    problem = main()
    if problem is not None:
        print(problem)
    sys.exit(problem is not None)
