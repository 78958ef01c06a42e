"""A kernelspec that starts the fleet where none runs: a person opens a notebook, and nothing else."""

import os
import signal

import psutil
import pytest
from window import Window

from harness import kernelspecs
from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only

END_SECONDS = 20


@pytest.fixture
def no_fleet(launch):
    """A home in which no serve runs; one that has been started is ended with the test."""
    fleet = launch()
    try:
        yield fleet
    finally:
        if fleet.published_file.exists():
            serve = psutil.Process(fleet.answer("status")["pid"])
            assert fleet.command("stop", "--all").returncode == 0
            os.kill(serve.pid, signal.SIGTERM)
            wait_until(lambda: not serve.is_running(), END_SECONDS, "the end of serve")
        fleet.clear()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_the_fleet_outlives_the_window_that_started_it(no_fleet, group, how):
    kernelspec = kernelspecs.install(no_fleet, group, ["--start"])
    first, second = Window(kernelspec, no_fleet.environment), Window(kernelspec, no_fleet.environment)
    try:
        first.start()
        first.run("x = 21")
        serve = no_fleet.answer("status")["pid"]
        first.shutdown(how)
        second.start()
        assert second.run("x * 2").result == "42"
        assert no_fleet.answer("status")["pid"] == serve
        second.shutdown(how)
    finally:
        for window in (first, second):
            window.abandon()
