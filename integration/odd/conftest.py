"""One fleet with a kernelspec for each set of oddities that the tests name, and three ways to each kernel."""

import json

import pytest

from oddities import SETS
from ways import WAYS, Ways, kernelspec, runtime_of


@pytest.fixture(scope="session")
def odd_fleet(launch, pytestconfig):
    fleet = launch()
    for oddities in SETS:
        directory = fleet.home.data_dir / "kernels" / runtime_of(oddities)
        directory.mkdir(parents=True)
        (directory / "kernel.json").write_text(json.dumps(kernelspec(oddities)))
    try:
        yield fleet.start()
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


@pytest.fixture(params=WAYS)
def way(request, pytestconfig, odd_fleet, binary):
    """Ways to kernels: the same test runs on each."""
    if pytestconfig.getoption("--direct") and request.param != "direct":
        pytest.skip("plain kernels are reached directly")
    ways = Ways(request.param, odd_fleet, binary)
    yield ways
    ways.close()
