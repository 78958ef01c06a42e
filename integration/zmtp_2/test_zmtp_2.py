"""Clients and kernels of ZMTP 2.0 (libzmq 3, JeroMQ 0.3, NetMQ); ZMTP 1 is refused by name."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file
from old_client import OldClient

from harness.clients import READY_SECONDS, execute, new_client, plain
from harness.deadline import wait_until

KERNEL = Path(__file__).parent / "old_kernel.py"
ANSWER_SECONDS = 30


def command(file, *arguments):
    return json.dumps([sys.executable, str(KERNEL), file, *arguments])


CONFIG = f"""
default_runtime = "python3"

[limits]
ping_after_ms = 500

[runtimes.python3]
pool = 0

[runtimes.old]
argv = {command("{connection_file}")}
language = "python"

[runtimes.ancient]
argv = {command("{connection_file}", "--ancient")}
language = "python"
"""

pytestmark = [pytest.mark.proxy_only, pytest.mark.parametrize("own_fleet", [{"config": CONFIG}], indirect=True)]

# What ipykernel and the old kernel say alike.
CELLS = ["print('hello')", "6 * 7", "1 / 0", "x = 'y' * 100_000", "print(x)"]


@pytest.fixture
def old_client(own_fleet):
    clients = []

    def connect(**needs):
        clients.append(OldClient(own_fleet.info, **needs))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.mark.parametrize("runtime", ["python3", "old"])
def test_a_client_has_its_cells_run(old_client, runtime):
    client = old_client(runtime=runtime)
    assert client.request("kernel_info_request", {})["language_info"]["name"] == "python"
    assert outcomes_of_old(client) == [
        ("ok", "hello\n", None, None),
        ("ok", "", "42", None),
        ("error", "", None, "ZeroDivisionError"),
        ("ok", "", None, None),
        ("ok", "y" * 100_000 + "\n", None, None),
    ]
    reply, published = client.execute("print('I am ' + input('Who? '))", answer="old")
    assert reply["status"] == "ok" and ("stream", {"name": "stdout", "text": "I am old\n"}) in published, published
    assert client.heartbeat(b"still there?") == b"still there?"
    assert client.request("shutdown_request", {"restart": False}, "control")["status"] == "ok"


def outcomes_of_old(client):
    found = []
    for code in CELLS:
        reply, published = client.execute(code)
        said = {kind: content for kind, content in published if kind != "status"}
        stream = "".join(content["text"] for kind, content in published if kind == "stream")
        result = said["execute_result"]["data"]["text/plain"] if "execute_result" in said else None
        found.append((reply["status"], stream, result, said["error"]["ename"] if "error" in said else None))
    return found


def test_a_kernel_does_the_same_directly_and_through_the_fleet(own_fleet, connect_own, tmp_path):
    file = tmp_path / "kernel.json"
    write_connection_file(str(file), ip="127.0.0.1", key=b"direct")
    kernel = subprocess.Popen([sys.executable, str(KERNEL), str(file)])
    try:
        client = new_client(file)
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        direct = outcomes(client)
        client.stop_channels()
    finally:
        kernel.kill()
        kernel.wait()
    assert outcomes(connect_own(runtime="old")) == direct
    assert direct[0][1] == "hello\n"


def outcomes(client):
    found = []
    for code in CELLS:
        done = execute(client, code)
        found.append((done.status, done.stream(), done.result, done.error and done.error["ename"]))
    client.execute("print('I am ' + input('Who? '))", allow_stdin=True)
    assert client.get_stdin_msg(timeout=ANSWER_SECONDS)["content"]["prompt"] == "Who? "
    client.input("somebody")
    reply = client.get_shell_msg(timeout=ANSWER_SECONDS)
    return [*found, reply["content"]["status"]]


def test_neither_client_nor_kernel_ever_gets_a_ping(own_fleet, old_client, connect_own):
    """Both fail on a frame that is a command. Of others, serve asks twice a second: one shows that it has had time to."""
    old = old_client(runtime="old")
    assert old.execute("1 + 1")[0]["status"] == "ok"
    with socket.create_connection((own_fleet.info["ip"], own_fleet.info["iopub_port"]), timeout=ANSWER_SECONDS) as modern:
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
        modern.sendall(greeting + b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB")
        came = b""
        while came.count(b"\x04PING") < 3:
            came += modern.recv(1 << 16)
    reply, published = old.execute("2 + 2")
    assert reply["status"] == "ok"
    assert [content["data"] for kind, content in published if kind == "execute_result"] == [{"text/plain": "4"}]


def test_a_client_of_zmtp_1_is_refused_by_name(own_fleet):
    before = bad_handshakes(own_fleet)
    with socket.create_connection((own_fleet.info["ip"], own_fleet.info["shell_port"]), timeout=ANSWER_SECONDS) as ancient:
        ancient.sendall(b"\x01\0")
        while ancient.recv(100):
            pass
    wait_until(lambda: "the peer speaks ZMTP 1" in own_fleet.stderr, ANSWER_SECONDS, "the refusal in the log")
    wait_until(lambda: bad_handshakes(own_fleet) == before + 1, ANSWER_SECONDS, "the refusal to be counted")


def bad_handshakes(fleet):
    return fleet.answer("status")["counters"].get("bad_handshakes", 0)


def test_a_kernel_of_zmtp_1_is_refused_in_the_cell(own_fleet, connect_own):
    done = execute(connect_own(ready=False, runtime="ancient"), "1")
    assert "the peer speaks ZMTP 1" in plain(done.error["evalue"]), done.error
