"""Consoles on the shared fleet."""

import pytest

from harness.console import Console


@pytest.fixture
def console(fleet):
    consoles = []

    def start(*arguments, **needs):
        consoles.append(Console(fleet, needs, *arguments))
        return consoles[-1]

    yield start
    for each in consoles:
        each.close()
