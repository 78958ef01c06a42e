"""Windows of VS Code on a fleet."""

import pytest
from window import Window

from harness import kernelspecs


@pytest.fixture
def open_window(fleet):
    """Opens a window on the kernelspec of a group, its kernel started; all are closed with the test."""
    windows = []

    def make(group):
        windows.append(Window(kernelspecs.install(fleet, group), fleet.environment))
        windows[-1].start()
        return windows[-1]

    yield make
    for each in windows:
        each.close()


@pytest.fixture
def window(open_window, group):
    """One window, on a group of its own."""
    return open_window(group)
