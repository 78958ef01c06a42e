"""Fixtures: a fleet that most tests share, a fleet of one's own, and clients that detach at the end."""

import os
import re
import uuid
from pathlib import Path

import pytest

from harness.clients import READY_SECONDS, new_client
from harness.console import Console
from harness.direct import DirectKernels
from harness.fleet import Fleet
from harness.remote_client import RemoteClient
from harness.trio import Trio

pytest_plugins = ["runner.second_try", "runner.suite_times", "runner.attacks_table"]

FILE_NAME_CHARACTERS = 200
REPOSITORY = Path(__file__).resolve().parent.parent
# The longest test begins first, so that no worker is left with it at the end.
FIRST = ("soak",)
# It tells requests that serve had not read yet by hundredths of a second: no other tests run beside it.
QUIET = ("chaos",)


def pytest_addoption(parser):
    parser.addoption("--direct", action="store_true", help="prove the tests: plain kernels in place of the proxy")
    artifacts = os.environ.get("JUPYTER_FLEET_ARTIFACTS", str(REPOSITORY / "target/artifacts"))
    parser.addoption("--artifacts", default=artifacts, help="where screenshots are kept")
    parser.addoption("--binary", default=str(REPOSITORY / "target/debug/jupyter-fleet"), help="the jupyter-fleet to test")
    parser.addoption("--soak-seconds", type=float, default=120, help="how long the soak lasts")
    parser.addoption("--part", choices=("quiet", "rest"), help=f"only {' and '.join(QUIET)}, or only the rest")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: suite(item) not in FIRST)
    if part := config.getoption("--part"):
        config.hook.pytest_deselected(items=[item for item in items if part_of(item) != part])
        items[:] = [item for item in items if part_of(item) == part]
    if not config.getoption("--direct"):
        return
    for item in items:
        if item.get_closest_marker("proxy_only"):
            item.add_marker(pytest.mark.skip(reason="says nothing about a plain kernel"))


def part_of(item):
    return "quiet" if suite(item) in QUIET else "rest"


def suite(item):
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        fleets = [each for each in item.config.stash.get(RUNNING, []) if each.home.path.exists()]
        reports = Path(item.config.getoption("--artifacts")) / "failures"
        reports.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", item.nodeid)[-FILE_NAME_CHARACTERS:]
        file = reports / f"{name}-{report.when}.txt"
        file.write_text("\n".join(f"----- fleet in {each.home.path}\n{each.report()}" for each in fleets))
        report.sections.append(("all that fleets and kernels said", str(file)))
        report.sections.extend((f"end of what the fleet in {each.home.path} said", each.last_words()) for each in fleets)
    return report


RUNNING = pytest.StashKey()


@pytest.fixture(scope="session")
def binary(pytestconfig):
    """The path of the jupyter-fleet under test."""
    path = pytestconfig.getoption("--binary")
    if not pytestconfig.getoption("--direct"):
        assert os.access(path, os.X_OK), f"{path} is missing: build it with `cargo build`, or use integration/run"
    return path


@pytest.fixture(scope="session")
def launch(pytestconfig, binary):
    """Makes a Fleet that a failing test will report on. Who starts it, stops it."""
    running = pytestconfig.stash.setdefault(RUNNING, [])

    def make(**options):
        fleet = DirectKernels(binary) if pytestconfig.getoption("--direct") else Fleet(binary, **options)
        running.append(fleet)
        return fleet

    return make


@pytest.fixture(scope="session")
def shared_fleet(launch):
    """One fleet for all tests that keep to a group of their own."""
    yield from started(launch())


@pytest.fixture
def fleet(shared_fleet):
    """The shared fleet, for the test that runs now. Plain kernels serve one test and end after all its clients."""
    yield shared_fleet
    if shared_fleet.is_direct:
        shared_fleet.end_kernels()


@pytest.fixture
def own_fleet(launch, request):
    """A fleet of the test's own; options by `pytest.mark.parametrize(..., indirect=True)`."""
    yield from started(launch(**getattr(request, "param", {})))


def started(fleet):
    try:
        fleet.start()
        yield fleet
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


@pytest.fixture
def group():
    """A group that no other test uses: kernels of its own in the shared fleet."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect(fleet):
    """Opens clients on the shared fleet and detaches them at the end."""
    yield from connector(fleet)


@pytest.fixture
def connect_own(own_fleet):
    """Opens clients on the test's own fleet and detaches them at the end."""
    yield from connector(own_fleet)


def connector(fleet):
    clients = []

    def open_client(ready=True, session=None, **needs):
        client = new_client(fleet.connection_file(needs), needs or None, session)
        clients.append(client)
        client.start_channels()
        if ready:
            client.wait_for_ready(timeout=READY_SECONDS)
        return client

    yield open_client
    fleet.release([client for client in clients if client.channels_running])


@pytest.fixture
def fleet_of(launch):
    """Starts a fleet with this config; returns it with a function that opens clients on it."""
    running = []

    def start(config):
        fleet = started(launch(config=config))
        running.append(fleet)
        its = next(fleet)
        clients = connector(its)
        running.append(clients)
        return its, next(clients)

    yield start
    for fixture in reversed(running):
        assert next(fixture, None) is None


@pytest.fixture
def connect_process(fleet):
    """Opens clients in processes of their own."""
    remote_clients = []

    def open_client(session=None, **needs):
        client = RemoteClient(fleet.connection_file(needs), fleet.environment, needs or None, session)
        remote_clients.append(client)
        return client

    yield open_client
    for client in remote_clients:
        client.close()


@pytest.fixture
def console(fleet):
    """Starts consoles on the shared fleet: their arguments, and their needs."""
    consoles = []

    def start(*arguments, **needs):
        consoles.append(Console(fleet, needs, *arguments))
        return consoles[-1]

    yield start
    for each in consoles:
        each.close()


@pytest.fixture
def trio(own_fleet, group):
    """Makes three clients of one kernel of the test's own fleet; `needs` as of `connect`."""
    trios = []

    def make(**needs):
        trios.append(Trio(own_fleet, group=group, **needs))
        return trios[-1]

    yield make
    for each in trios:
        each.close()
