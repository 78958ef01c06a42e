"""What no plain kernel does."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.proxy_only)


@pytest.fixture
def at_home(connect, group):
    """A client on a Lua kernel of its own group, where `home` is its own."""

    def open_client(runtime="lua"):
        client = connect(runtime=runtime, group=group)
        client.execute_interactive("home = 'here'", timeout=30)
        return client

    return open_client
