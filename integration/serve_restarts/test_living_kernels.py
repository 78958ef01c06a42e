"""A new serve meets kernels that do not answer at once, or that are not its own: none of them is harmed."""

import os
import shutil
import signal
import subprocess

import psutil
import pytest
from crashes import crash, wait_until_up

from harness.clients import execute, next_message, reply_to
from harness.deadline import Deadline, wait_until

pytestmark = pytest.mark.proxy_only


def pid_of(client):
    return int(execute(client, "import os\nos.getpid()", seconds=60).result)


def test_a_stopped_kernel_is_taken_up_marked_and_found_with_its_state(lasting_fleet, connect):
    client = connect()
    assert execute(client, "x = 1").status == "ok"
    pid = pid_of(client)
    lasting_fleet.kill()
    os.kill(pid, signal.SIGSTOP)
    try:
        lasting_fleet.restart()
        wait_until(
            lambda: [kernel["status"] for kernel in lasting_fleet.registry()["kernels"]] == ["unresponsive"],
            30,
            lambda: lasting_fleet.report(),
        )
        assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    finally:
        os.kill(pid, signal.SIGCONT)
    assert execute(client, "x", seconds=60).result == "1"


def test_input_that_was_asked_before_the_crash_is_taken_after_it(lasting_fleet, connect):
    client = connect()
    msg_id = client.execute("answer = input('? ')", allow_stdin=True)
    assert client.get_stdin_msg(timeout=30)["content"]["prompt"] == "? "
    crash(lasting_fleet)
    wait_until_up(lasting_fleet)
    client.input("yes")
    assert reply_to(client, msg_id)["content"]["status"] == "ok"
    assert execute(client, "answer").result == "'yes'"


def test_whose_kernel_dies_while_nobody_serves_keeps_its_wishes(lasting_fleet, connect):
    owner = connect({"isolated": True})
    pid = pid_of(owner)
    lasting_fleet.kill()
    os.kill(pid, signal.SIGKILL)
    lasting_fleet.restart()
    # It had asked for nothing, and is told all the same.
    deadline, told = Deadline(20), ""
    while "ended while nobody served" not in told:
        told = next_message(owner, "iopub", deadline, lambda: "what became of its kernel")["content"].get("evalue", "")
    owner.session.metadata = {}
    assert execute(owner, "mine = 1", seconds=60).status == "ok"
    stranger = connect()
    assert execute(stranger, "'mine' in globals()").result == "False"


def test_a_fleet_of_the_same_name_elsewhere_is_left_alone(lasting_fleet, connect):
    client = connect()
    assert execute(client, "x = 1").status == "ok"
    state = lasting_fleet.home.runtime_dir / ".fleet"
    # By the same path, but another directory: as in a container, or with a relative path.
    aside = state.with_name(".fleet-of-the-first")
    state.rename(aside)
    try:
        other = subprocess.Popen(
            [lasting_fleet.binary, "serve", "--ephemeral", "--connection-file", str(lasting_fleet.home.path / "other.json")],
            env=lasting_fleet.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            wait_until(lambda: "Connect with" in other.stdout.readline(), 20, lambda: "the other serve to be ready")
        finally:
            other.terminate()
            assert other.wait(20) == 0
    finally:
        shutil.rmtree(state, ignore_errors=True)
        aside.rename(state)
    assert execute(client, "x").result == "1"
