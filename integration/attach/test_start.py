"""`attach --start` where no fleet runs."""

import os

import psutil
import pytest

from harness import processes
from harness.clients import execute, reply_to
from harness.home import Home


@pytest.fixture
def home():
    """A home without a fleet; one that was started in it is ended with the test."""
    home = Home()
    yield home
    started = [each for each in psutil.process_iter() if lives_in(each, home)]
    # serve first: it would start again what it sees die.
    processes.end([each for each in started if "serve" in each.cmdline()])
    processes.end([each for each in psutil.process_iter() if lives_in(each, home)] + processes.kernels_of(home.path))
    home.remove()


def test_start_starts_the_one_fleet_that_both_hosts_then_use(home, host_of):
    hosts = [host_of(home, "--start", "--runtime", "python3", "--group", "g") for _ in range(2)]
    one, two = [host.client() for host in hosts]
    assert execute(one, "x = 'shared'").status == "ok"
    assert execute(two, "x").result == "'shared'"
    assert len(serves_of(home)) == 1


def test_a_fleet_that_attach_started_outlives_its_host(home, host_of):
    host = host_of(home, "--start")
    assert execute(host.client(), "import os; 'JPY_PARENT_PID' in os.environ").status == "ok"
    (serve,) = serves_of(home)
    assert "JPY_PARENT_PID" not in serve.environ(), "its kernels would end with the host"
    host.end()
    assert serve.is_running()


def test_a_fleet_that_cannot_start_says_why_in_the_cell(home, host_of):
    home.config_file.write_text("nonsense = true\n")
    done = execute(host_of(home, "--start").client(), "1")
    assert done.error["ename"] == "NoFleet"
    assert "nonsense" in done.error["evalue"], done.error["evalue"]


def test_a_fleet_that_has_ended_is_started_again_when_it_is_wanted(home, host_of):
    client = host_of(home, "--start").client()
    assert execute(client, "1").status == "ok"
    (first,) = serves_of(home)
    processes.end([first])
    msg_id = client.execute("1 + 1")
    assert reply_to(client, msg_id, 40)["content"]["status"] == "ok"
    (second,) = serves_of(home)
    assert second.pid != first.pid


def serves_of(home):
    return [each for each in psutil.process_iter() if lives_in(each, home) and "serve" in each.cmdline()]


def lives_in(process, home):
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get("JUPYTER_RUNTIME_DIR") == str(home.runtime_dir) and process.pid != os.getpid()
    except psutil.Error:
        return False
