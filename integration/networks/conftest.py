"""Fleets and clients with a faulty network between them."""

import pytest

from counting import STEP_SECONDS, Counting
from far_client import AsyncFarClient, FarClient, NearClient
from harness.console import Console
from harness.deadline import wait_until
from harness.home import CONFIG
from network import Network, RelayedNetwork, refusal

@pytest.fixture(scope="session")
def refused():
    """Why this machine gives us no network of our own; `None` if it does."""
    return refusal()

@pytest.fixture
def packets(refused):
    """A network that carries packets; without one, the test is skipped."""
    if refused:
        pytest.skip(f"no network namespaces: {refused}")
    yield from closing(Network())

@pytest.fixture
def relay():
    """A network that is a relay."""
    yield from closing(RelayedNetwork())

@pytest.fixture
def network(refused):
    """A network that carries packets if there can be one, else a relay."""
    yield from closing(RelayedNetwork() if refused else Network())

def closing(network):
    try:
        yield network
    finally:
        network.close()

@pytest.fixture
def scene(launch, group):
    """Starts a fleet behind a network, with clients on both sides of it."""
    scenes = []

    def start(network, config=""):
        scenes.append(Scene(launch, network, group, config))
        return scenes[-1]

    yield start
    for each in scenes:
        each.end()

class Scene:
    """A fleet, a network, and whoever connects; `needs` of clients beside the test's group, where they are given."""

    def __init__(self, launch, network, group, config):
        self.network = network
        self.group = group
        self._clients = []
        self.fleet = launch(config=CONFIG + config, inside=network.fleet_side, arguments=network.serve_arguments)
        try:
            self.fleet.start()
        except BaseException:
            self.fleet.clear()
            raise

    def far(self, name="far", **needs):
        return self.connect(FarClient, name, needs)

    def far_async(self, name="far async", **needs):
        return self.connect(AsyncFarClient, name, needs)

    def near(self, name="near", **needs):
        return self.connect(NearClient, name, needs)

    def connect(self, kind, name, needs):
        client = kind(name, self.fleet, self.network, {"group": self.group, **needs})
        self._clients.append(client)
        client.ready()
        client.heard_at_first = client.take()
        return client

    def console(self, **needs):
        console = Console(self.fleet, {"group": self.group, **needs}, "--simple-prompt", "--no-confirm-exit", inside=self.network.client_side)
        self._clients.append(console)
        return console

    def counting(self, name="counting"):
        return Counting(self.fleet.home, name)

    @staticmethod
    def until(condition, what):
        wait_until(condition, STEP_SECONDS, what)

    def end(self):
        for client in self._clients:
            client.close()
        self.fleet.stop()
