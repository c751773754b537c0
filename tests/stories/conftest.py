"""The option that writes stories anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when tests/stories is named on the command line, which is how it is meant."""
    parser.addoption("--rewrite-stories", action="store_true", help="write into the stories what really comes of them")


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether stories are to be written anew."""
    return bool(request.config.getoption("--rewrite-stories", default=False))
