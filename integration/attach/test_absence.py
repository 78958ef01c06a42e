"""The fleet is not there, goes away, or comes back, while a host uses it: what the host's user reads, and never a hang."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import psutil
import pytest

from harness import processes
from harness.clients import execute, new_client, next_message, reply_to, request
from harness.deadline import Deadline, wait_until

IPC_PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}


@pytest.fixture
def lasting_fleet(launch):
    """A fleet of the test's own whose kernels go on when serve ends; whatever still runs is ended with the test."""
    fleet = launch(ephemeral=False)
    try:
        yield fleet.start()
    finally:
        fleet.clear()


def test_without_a_fleet_the_cell_says_how_to_start_one_and_then_works(launch, host_of):
    fleet = launch()
    try:
        client = host_of(fleet.home).client()
        info = request(client, "kernel_info_request")["content"]
        assert (info["status"], "no fleet is running" in info["banner"]) == ("ok", True)
        done = execute(client, "1 + 1")
        assert (done.status, done.error["ename"]) == ("error", "NoFleet")
        assert "jupyter-fleet serve" in done.error["evalue"]
        assert str(fleet.published_file) in done.error["evalue"]
        assert request(client, "complete_request", {"code": "x", "cursor_pos": 1})["content"]["status"] == "error"
        fleet.start()
        done = execute(client, "1 + 1")
        assert (done.status, done.result) == ("ok", "2")
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


def test_a_file_where_nobody_listens_is_no_fleet(lasting_fleet, host_of):
    lasting_fleet.kill()
    done = execute(host_of(lasting_fleet.home).client(), "1 + 1")
    assert (done.status, done.error["ename"]) == ("error", "NoFleet")
    assert "is not running" in done.error["evalue"]


def test_a_shutdown_request_without_a_fleet_ends_attach(home, host_of):
    host = host_of(home)
    client = host.client()
    assert request(client, "shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    assert host.wait() == 0


def test_a_cell_that_runs_while_serve_is_killed_gets_its_reply_from_the_next(lasting_fleet, host_of):
    client = host_of(lasting_fleet.home).client()
    msg_id = client.execute(runs_until(lasting_fleet.home.path / "go"))
    stream_of(client, msg_id, "before")
    lasting_fleet.kill()
    lasting_fleet.restart()
    # A kernel's reply is lost while nobody is connected to it: the fleet must have taken it up again.
    assert lasting_fleet.command("exec", "--group", "other", "-c", "1").returncode == 0
    (lasting_fleet.home.path / "go").touch()
    reply = reply_to(client, msg_id)
    assert (reply["content"]["status"], reply["parent_header"]["msg_id"]) == ("ok", msg_id), reply["content"]
    assert execute(client, "x").result == "42", "the kernel is the same"


def test_what_is_asked_while_serve_is_away_is_done_when_it_is_back(lasting_fleet, host_of):
    client = host_of(lasting_fleet.home).client()
    assert execute(client, "x = 1").status == "ok"
    lasting_fleet.kill()
    msg_id = client.execute("x + 1")
    notice = stream_of(client, msg_id, "does not answer")
    assert "jupyter-fleet serve" in notice
    lasting_fleet.restart()
    assert finish_later(client, msg_id) == "2"


def test_what_a_crashed_fleet_never_read_has_not_run(lasting_fleet, host_of):
    """It is lost, as with a kernel that crashes: sockets send nothing twice. The host goes on with the next cell."""
    client = host_of(lasting_fleet.home).client()
    assert execute(client, "x = 1").status == "ok"
    lasting_fleet.pause()
    client.execute("x = 2")
    lasting_fleet.kill()
    lasting_fleet.restart()
    assert execute(client, "x").result == "1", "the kernel is the same, and has not run it"


def test_a_fleet_that_stays_away_fails_the_cell_after_the_patience(lasting_fleet, host_of):
    client = host_of(lasting_fleet.home, "--patience", "3").client()
    msg_id = client.execute(runs_until(lasting_fleet.home.path / "late"))
    stream_of(client, msg_id, "before")
    lasting_fleet.kill()
    reply = reply_to(client, msg_id)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "FleetLost")
    assert "jupyter-fleet serve" in reply["evalue"] and str(lasting_fleet.published_file) in reply["evalue"]
    done = execute(client, "1")
    assert done.error["ename"] == "NoFleet"
    (lasting_fleet.home.path / "late").touch()
    lasting_fleet.restart()
    wait_until(lambda: execute(client, "1 + 1").result == "2", 30, "cells to work again")


def test_another_fleet_in_its_place_fails_what_was_asked_of_the_first(launch, host_of):
    first = launch()
    first.start()
    try:
        client = host_of(first.home).client()
        msg_id = client.execute(runs_until(first.home.path / "never"))
        stream_of(client, msg_id, "before")
        first.process.send_signal(signal.SIGTERM)
        assert first.exit_code() == 0
        first.start()
        reply = reply_to(client, msg_id)["content"]
        assert reply["status"] == "error"
        assert execute(client, "1 + 1").result == "2"
    except BaseException:
        first.clear()
        raise
    first.stop()


def test_attach_ends_with_its_host(home, binary):
    """A host that is killed says nothing; its attach must not stay behind."""
    path = home.path / "host.json"
    path.write_text(json.dumps(host_file()))
    spawn = "import os, subprocess, sys\nos.environ['JPY_PARENT_PID'] = str(os.getpid())\nprint(subprocess.Popen(sys.argv[1:], stdout=2).pid, flush=True)\nsys.stdin.read()"
    host = subprocess.Popen(
        [sys.executable, "-c", spawn, binary, "attach", "-f", str(path)],
        env=home.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    attach = psutil.Process(int(host.stdout.readline()))
    try:
        host.kill()
        host.communicate()
        wait_until(lambda: not is_running(attach), 10, "attach to end with its host")
    finally:
        processes.end([attach])


def test_ipc_sockets_are_served_and_removed(home, binary):
    path = home.path / "host.json"
    path.write_text(json.dumps(host_file() | IPC_PORTS | {"transport": "ipc", "ip": str(home.path / "k")}))
    sockets = [home.path / f"k-{number}" for number in IPC_PORTS.values()]
    attach = subprocess.Popen([binary, "attach", "-f", str(path)], env=home.environment)
    try:
        wait_until(lambda: all(path.exists() for path in sockets), 10, "five sockets")
        client = new_client(path)
        client.start_channels()
        assert execute(client, "1").error["ename"] == "NoFleet"
        client.stop_channels()
        attach.terminate()
        assert attach.wait(10) == 0
        assert not any(path.exists() for path in sockets)
    finally:
        attach.kill()
        attach.wait()


def test_a_file_with_curve_keys_is_refused_in_words(binary, home):
    done = attach_to(binary, home, {"curve_publickey": "k" * 40, "curve_secretkey": "k" * 40})
    assert done.returncode == 1
    assert "curve" in done.stderr and "not supported" in done.stderr


def test_an_unsigned_file_on_tcp_is_refused_in_words(binary, home):
    done = attach_to(binary, home, {"key": ""})
    assert done.returncode == 1
    assert "unsigned" in done.stderr


def test_a_fleet_elsewhere_is_a_usage_error(binary, home):
    done = attach_to(binary, home, {}, "--existing", "/nowhere/else.json")
    assert done.returncode == 2
    assert "/nowhere/else.json" in done.stderr


def attach_to(binary, home, changes, *arguments):
    path = home.path / "host.json"
    path.write_text(json.dumps(host_file() | changes))
    return subprocess.run(
        [binary, "attach", "-f", str(path), *arguments],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )


def host_file():
    """What a host writes: five ports that are free, or five suffixes of ipc sockets."""
    channels = ("shell", "iopub", "stdin", "control", "hb")
    with ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in channels]
    ports = {f"{name}_port": port for name, port in zip(channels, free)}
    return {"transport": "tcp", "ip": "127.0.0.1", "key": "a key"} | ports


def is_running(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def runs_until(marker):
    return (
        f"import os, time\nprint('before', flush=True)\n"
        f"while not os.path.exists({str(marker)!r}): time.sleep(0.05)\nx = 42"
    )


def stream_of(client, msg_id, expected):
    """Waits for a stream message of this request that holds this text, and returns it."""
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: f"{expected!r} on a stream")
        if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == msg_id:
            if expected in message["content"]["text"]:
                return message["content"]["text"]


def finish_later(client, msg_id):
    """The result of a request whose first messages have been read."""
    result, deadline = None, Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: "idle")
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "execute_result":
            result = message["content"]["data"]["text/plain"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            assert reply_to(client, msg_id)["content"]["status"] == "ok"
            return result
