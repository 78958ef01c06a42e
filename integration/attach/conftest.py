"""Hosts: programs that start `jupyter-fleet attach` as their kernel, as notebooks and VS Code do."""

import pytest

from attach_host import Host
from harness.home import Home


@pytest.fixture
def host_of(binary):
    """Makes hosts on the fleet of this home; whatever they started is ended with the test."""
    hosts = []

    def make(home, *arguments, start=True, **options):
        host = Host(binary, home, arguments, **options)
        hosts.append(host)
        return host.start() if start else host

    yield make
    for host in hosts:
        host.end()


@pytest.fixture
def host(fleet, group, host_of):
    """A host on the shared fleet, with a kernel in a group of its own."""
    return host_of(fleet.home, "--runtime", "python3", "--group", group)


@pytest.fixture
def home():
    """A Jupyter home in which no fleet runs."""
    home = Home()
    yield home
    home.remove()
