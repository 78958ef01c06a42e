"""Fleets whose kernels outlive serve."""

import pytest

from harness.clients import new_client


@pytest.fixture
def lasting_fleet(launch):
    """A fleet of the test's own whose kernels go on when serve ends; whatever still runs is ended with the test."""
    fleet = launch(ephemeral=False)
    try:
        yield fleet.start()
    finally:
        fleet.clear()


@pytest.fixture
def connect(lasting_fleet):
    """Connects clients that stop with the test, and leave their kernels as they are."""
    clients = []

    def make(needs=None):
        client = new_client(lasting_fleet.published_file, needs)
        clients.append(client)
        client.start_channels()
        client.wait_for_ready(timeout=60)
        return client

    yield make
    for client in clients:
        client.stop_channels()
