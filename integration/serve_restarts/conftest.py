"""Fleets whose kernels outlive serve."""

import pytest


@pytest.fixture
def lasting_fleet(launch):
    """A fleet of the test's own whose kernels go on when serve ends; whatever still runs is ended with the test."""
    fleet = launch(ephemeral=False)
    try:
        yield fleet.start()
    finally:
        fleet.clear()
