"""Fleets under attack."""

from functools import partial

import pytest
from prey import RUNTIMES, Prey
from siege import Siege

from runner.attacks_table import ATTACK

CONFIG = """\
default_runtime = "lua"
"""


@pytest.fixture
def besieged(launch, record_property):
    """Starts a fleet of the test's own that logs as JSON, with more configuration as the test wants; a siege of it."""
    sieges = []

    def start(config="", **options):
        fleet = launch(config=CONFIG + config, arguments=("--log-format", "json"), **options)
        try:
            sieges.append(Siege(fleet.start(), partial(record_property, ATTACK)))
        except BaseException:
            fleet.clear()
            raise
        return sieges[-1]

    yield start
    for each in sieges:
        each.close()
        each.fleet.stop()


@pytest.fixture
def siege(besieged):
    """A fleet of the test's own under attack."""
    return besieged()


@pytest.fixture
def evil(besieged):
    """A siege, and clients of a malicious kernel in it."""
    siege, clients = besieged(RUNTIMES), []

    def prey(**options):
        clients.append(Prey(siege.fleet, **options))
        return clients[-1]

    yield siege, prey
    for client in clients:
        client.close()
