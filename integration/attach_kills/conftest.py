"""Fleets under programs that start their kernels from a kernelspec."""

import pytest

from harness import kernelspecs
from harness.gate import Gate


@pytest.fixture
def lasting_fleet(launch, monkeypatch):
    """A fleet of the test's own whose kernels go on when serve ends; this process looks for kernelspecs where it lives."""
    fleet = launch(ephemeral=False)
    for name, value in fleet.environment.items():
        monkeypatch.setenv(name, value)
    try:
        yield fleet.start()
    finally:
        fleet.clear()


@pytest.fixture
def kernelspec(lasting_fleet, group):
    """The name of the kernelspec of a group of the test's own."""
    return kernelspecs.install(lasting_fleet, group)


@pytest.fixture
def gate(lasting_fleet):
    return Gate(lasting_fleet.home)
