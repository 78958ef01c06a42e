"""A fleet whose default runtime is llmspell, in the place of the fleet of all other tests."""

import pytest
from llmspell_fleet import CONFIG


@pytest.fixture(scope="session")
def shared_fleet(launch):
    """In the place of the fleet of all other tests: its default runtime is llmspell."""
    fleet = launch(config=CONFIG)
    try:
        fleet.start()
        yield fleet
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()
