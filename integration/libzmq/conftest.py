"""Wire peers that are closed at the end of their test."""

import pytest

from harness.wire import Wire


@pytest.fixture
def wire(fleet, group):
    """Makes wire peers that need the same: one kernel of the test's own."""
    yield from wires(fleet, {"group": group})


def wires(fleet, needs):
    made = []

    def make(key=None):
        made.append(Wire(fleet.connection_file(needs), key, needs))
        return made[-1]

    yield make
    for each in made:
        each.close()
