"""`jupyter-fleet connect`: a connection file whose clients land on one kernel."""

import json
import os
import sys
from pathlib import Path

import pytest

from harness.clients import READY_SECONDS, execute, new_client
from harness.deadline import wait_until
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only
OK, FAILED = 0, 1
BROKEN = """
[runtimes.broken]
argv = ["sh", "-c", "sleep 1; exit 7", "{connection_file}"]
language = "sh"
"""


def spawn(fleet):
    done = fleet.command("spawn", "--runtime", "lua")
    assert done.returncode == OK, done.stderr
    return done.stdout.strip()


@pytest.fixture
def through():
    """Opens clients of a connection file and closes them at the end."""
    clients = []

    def open_client(file):
        client = new_client(file)
        clients.append(client)
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        return client

    yield open_client
    for client in clients:
        client.stop_channels()


def test_clients_land_on_exactly_that_kernel(own_fleet, through):
    """Metadata says nothing, the default runtime is another one, and there is a second kernel that would do."""
    kernels = [spawn(own_fleet), spawn(own_fleet)]
    for kernel in kernels:
        done = own_fleet.command("exec", "--kernel", kernel, "-c", f"name = '{kernel}'")
        assert done.returncode == OK, done.stderr
    for kernel in reversed(kernels):
        done = own_fleet.command("connect", kernel)
        assert done.returncode == OK, done.stderr
        file = Path(done.stdout.strip())
        assert file.stat().st_mode & 0o777 == 0o600 and json.loads(file.read_text())["key"]
        assert execute(through(file), "print(name)").stream() == f"{kernel}\n"
    assert len(own_fleet.answer("list")) == 2


def test_it_tells_who_else_is_there(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    assert execute(client, "x = 1").status == "ok"
    (kernel,) = own_fleet.answer("list")
    assert "shared with 1 other client" in own_fleet.command("connect", kernel["id"]).stderr
    assert own_fleet.answer("connect", kernel["id"])["clients"] == 1
    assert "nobody else is there" in own_fleet.command("connect", spawn(own_fleet)).stderr


def test_the_file_does_not_stand_in_for_the_fleets_and_goes_with_its_kernel(own_fleet):
    kernel = spawn(own_fleet)
    file = Path(own_fleet.answer("connect", kernel)["connection_file"])
    assert file.is_file() and "fleet" not in file.name
    assert own_fleet.command("stop", kernel).returncode == OK
    wait_until(lambda: not file.exists(), 5, "the file to be gone")


@pytest.mark.parametrize("own_fleet", [{"config": CONFIG + "[runtimes.lua]\nmax_clients = 1\n"}], indirect=True)
def test_it_warns_of_a_kernel_that_takes_no_more_clients(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    assert execute(client, "x = 1").status == "ok"
    (kernel,) = own_fleet.answer("list")
    said = own_fleet.command("connect", kernel["id"]).stderr
    assert "it already has its 1 client: a new one is refused until one leaves" in said
    assert own_fleet.answer("connect", kernel["id"])["full"] is True


def test_it_waits_until_a_starting_kernel_is_up(own_fleet, through):
    done = own_fleet.command("spawn", "--runtime", "lua", "--no-wait")
    file = own_fleet.answer("connect", done.stdout.strip())["connection_file"]
    assert execute(through(file), "print(1)").stream() == "1\n"


@pytest.mark.parametrize("own_fleet", [{"config": CONFIG + BROKEN}], indirect=True)
def test_a_kernel_that_never_comes_up_has_no_file(own_fleet):
    kernel = own_fleet.command("spawn", "--runtime", "broken", "--no-wait").stdout.strip()
    done = own_fleet.command("connect", kernel)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "did not come up" in done.stderr


def test_exec_becomes_a_console_on_the_file(own_fleet, tmp_path):
    jupyter = tmp_path / "jupyter"
    jupyter.write_text(f"#!{sys.executable}\nimport os, sys\nprint(os.getppid(), *sys.argv[1:])\n")
    jupyter.chmod(0o755)
    kernel = spawn(own_fleet)
    file = own_fleet.answer("connect", kernel)["connection_file"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = own_fleet.command("connect", kernel, "--exec", environment={"PATH": path})
    assert (done.returncode, done.stdout.split()) == (OK, [str(os.getpid()), "console", "--existing", file])


def test_without_jupyter_it_says_so_and_opens_nothing(own_fleet, tmp_path):
    done = own_fleet.command("connect", spawn(own_fleet), "--exec", environment={"PATH": str(tmp_path)})
    assert done.returncode == FAILED and "jupyter is not on PATH" in done.stderr
    assert list(own_fleet.home.runtime_dir.rglob("endpoint-*")) == []
