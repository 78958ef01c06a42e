"""Programs that find kernelspecs and connection files by Jupyter's environment variables."""

import pytest


@pytest.fixture
def at_home(fleet, monkeypatch):
    """This very process looks for kernelspecs where the fleet lives."""
    for name, value in fleet.environment.items():
        monkeypatch.setenv(name, value)
