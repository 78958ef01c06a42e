"""What serve leaves on disk, and what it does when that is in use, damaged, or told to leave nothing."""

import json
import os
import signal
import subprocess

import psutil
import pytest

from harness.clients import execute, new_client
from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only


@pytest.fixture
def client(lasting_fleet):
    client = new_client(lasting_fleet.published_file, {"group": "team"})
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()


def kernel_pid(client):
    return int(execute(client, "import os\nos.getpid()").result)


def test_a_second_serve_is_refused_and_told_who_is_first(lasting_fleet):
    second = subprocess.run(
        [lasting_fleet.binary, "serve"], env=lasting_fleet.environment, capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 1
    assert f"by process {lasting_fleet.process.pid}:" in second.stderr
    assert "Traceback" not in second.stderr and len(second.stderr.splitlines()) == 1


def test_the_registry_tells_of_kernels_and_bindings(lasting_fleet, client):
    pid = kernel_pid(client)

    def registered():
        registry = lasting_fleet.registry()
        return registry["kernels"] and registry["kernels"][0]["status"] == "up" and registry["bindings"]

    wait_until(registered, 10, lambda: json.dumps(lasting_fleet.registry(), indent=1))
    registry = lasting_fleet.registry()
    [kernel], [binding] = registry["kernels"], registry["bindings"]
    assert kernel["pid"] == pid and kernel["runtime" if "runtime" in kernel else "config"]
    assert kernel["config"]["name"] == "python3" and kernel["group"] == "team"
    assert kernel["clients"] == [client.session.session] == [binding["session"]]
    assert kernel["started_at"] > 1_700_000_000 and kernel["start_time"] > 0
    assert os.path.exists(kernel["connection_file"])
    file = lasting_fleet.home.runtime_dir / ".fleet" / "registry.json"
    assert file.stat().st_mode & 0o777 == 0o600
    key = json.loads(lasting_fleet.published_file.read_text())["key"]
    assert key not in file.read_text()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end_leaves_kernels_to_the_next_serve(lasting_fleet, client, how):
    assert execute(client, "x = 1").status == "ok"
    lasting_fleet.process.send_signal(how)
    assert lasting_fleet.exit_code() == 0
    assert not lasting_fleet.published_file.exists()
    assert "go on running" in lasting_fleet.stderr
    lasting_fleet.restart()
    assert execute(client, "x").result == "1"


def test_an_ephemeral_serve_takes_over_and_leaves_nothing(lasting_fleet, client):
    assert execute(client, "x = 1").status == "ok"
    lasting_fleet.kill()
    lasting_fleet.ephemeral = True
    lasting_fleet.restart()
    assert execute(client, "x").result == "1"
    lasting_fleet.stop()


@pytest.mark.parametrize("damage", ["truncated", "garbage", "removed"])
def test_kernels_are_found_alive_without_the_registry(lasting_fleet, client, damage):
    pid = kernel_pid(client)
    lasting_fleet.kill()
    file = lasting_fleet.home.runtime_dir / ".fleet" / "registry.json"
    text = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(text[: len(text) // 2] if damage == "truncated" else b"\0\1\2")
    lasting_fleet.restart()
    if damage != "removed":
        assert "cannot be used" in lasting_fleet.stderr
        assert list(file.parent.glob("registry.json.unreadable-*"))
    wait_until(file.exists, 20, "serve to write a registry again")
    wait_until(
        lambda: [kernel["pid"] for kernel in lasting_fleet.registry()["kernels"] if kernel["status"] == "up"] == [pid],
        20,
        lambda: json.dumps(lasting_fleet.registry(), indent=1),
    )
    assert psutil.pid_exists(pid)
    # The journal still knows whose it was. Its group is forgotten, so it is given to nobody else.
    assert kernel_pid(client) == pid
    other = new_client(lasting_fleet.published_file, {"group": "team"})
    other.start_channels()
    try:
        other.wait_for_ready(timeout=60)
        assert kernel_pid(other) != pid
    finally:
        other.stop_channels()


def test_a_kernel_that_the_registry_does_not_know_is_ended(lasting_fleet, client):
    pid = kernel_pid(client)
    lasting_fleet.kill()
    file = lasting_fleet.home.runtime_dir / ".fleet" / "registry.json"
    registry = json.loads(file.read_text())
    file.write_text(json.dumps(registry | {"kernels": [], "bindings": []}))
    lasting_fleet.restart()
    wait_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE,
        10,
        lambda: lasting_fleet.report(),
    )
