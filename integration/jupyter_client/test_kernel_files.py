"""A kernel's own connection file: whoever uses it lands on that kernel, hears nothing else, and shares nothing else."""

import json
import socket
import uuid

import pytest
import zmq

from harness.clients import (
    EXECUTE_SECONDS,
    READY_SECONDS,
    detach,
    execute,
    finish,
    is_status,
    messages_of,
    new_client,
    next_message,
    reply_to,
    request,
)
from harness.deadline import Deadline, wait_until
from harness.kernel_files import kernels, own_file

CONFIG = 'default_runtime = "lua"\n\n[runtimes.lua]\npool = 0\n'
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")

pytestmark = [pytest.mark.proxy_only, pytest.mark.parametrize("own_fleet", [{"config": CONFIG}], indirect=True)]


@pytest.fixture
def kernel_of(own_fleet, connect_own):
    """Has a kernel launched for these needs; returns its id and its first client, ready."""

    def launch(**needs):
        before = kernels(own_fleet)
        client = connect_own(**needs)
        assert execute(client, "return 1").result == "1"
        [kernel] = kernels(own_fleet) - before
        return kernel, client

    return launch


@pytest.fixture
def enter(own_fleet):
    """Opens clients by a kernel's own file."""
    clients = []

    def open_client(of_kernel, ready=True, session=None, **needs):
        client = new_client(own_file(own_fleet, of_kernel), needs or None, session)
        clients.append(client)
        client.start_channels()
        if ready:
            client.wait_for_ready(timeout=READY_SECONDS)
        return client

    yield open_client
    for client in clients:
        if client.channels_running:
            client.stop_channels()


def drained(client):
    """Every iopub message that is there or on its way."""
    messages = []
    while client.iopub_channel.socket.poll(300):
        messages.append(client.get_iopub_msg(timeout=1))
    return messages


def test_a_door_leads_to_its_kernel_and_is_the_same_whoever_asks(own_fleet, kernel_of, enter):
    one, first = kernel_of(group="one")
    two, second = kernel_of(group="two")
    execute(first, "x = 'one'")
    execute(second, "x = 'two'")
    files = [json.loads(own_file(own_fleet, kernel).read_text()) for kernel in (one, two, one)]
    assert files[0] == files[2]
    assert len({file["key"] for file in files} | {own_fleet.info["key"]}) == 3
    assert len({file[port] for file in (*files[:2], own_fleet.info) for port in PORTS}) == 15
    assert "one" in execute(enter(one), "return x").result
    assert "two" in execute(enter(two), "return x").result
    assert kernels(own_fleet) == {one, two}, "nothing was launched for it"


def test_two_doors_and_the_published_file_in_one_process_hear_only_their_own(kernel_of, enter):
    """jupyter_client checks each signature, with the key of the file that it was given."""
    one, published = kernel_of(group="one")
    (two, second), (three, third) = kernel_of(group="two"), kernel_of(group="three")
    clients = {"published": published, "two": enter(two), "three": enter(three)}
    # On the published port, this process would hear their kernels as well.
    detach(second)
    detach(third)
    words = {name: f"{name}-{uuid.uuid4().hex}" for name in clients}
    for client in clients.values():
        drained(client)
    sent = {name: client.execute(f"for i = 1, 50 do print('{words[name]}', i) end") for name, client in clients.items()}
    for name, client in clients.items():
        messages = messages_of(client, sent[name])
        assert reply_to(client, sent[name])["content"]["status"] == "ok"
        text = "".join(message["content"].get("text", "") for message in messages)
        assert text.count(words[name]) == 50
        heard = json.dumps(messages + drained(client), default=str)
        assert [other for other in clients if other != name and words[other] in heard] == []


def test_who_came_by_the_file_and_who_by_the_published_file_share_the_kernel(kernel_of, enter):
    """One message, signed with either key."""
    kernel, published = kernel_of()
    visitor = enter(kernel)
    for speaker, hearer in ((published, visitor), (visitor, published)):
        drained(hearer)
        word = uuid.uuid4().hex
        assert execute(speaker, f"print('{word}')").stream() == f"{word}\n"
        deadline = Deadline(EXECUTE_SECONDS)
        while word not in next_message(hearer, "iopub", deadline, lambda: "the other's output")["content"].get("text", ""):
            pass


def test_one_session_id_by_two_files_is_two_clients(kernel_of, enter, own_fleet):
    kernel, first = kernel_of(group="one")
    execute(first, "x = 'own'")
    session = uuid.uuid4().hex
    visitor = enter(kernel, session=session)
    other = new_client(own_fleet.published_file, {"group": "two"}, session)
    # Ids of messages are made of the session's, and this process hears the first kernel on its published port too.
    other.session.message_count = 1000
    other.start_channels()
    other.wait_for_ready(timeout=READY_SECONDS)
    assert "own" in execute(visitor, "return x").result
    assert execute(other, "return x").result in (None, "nil")
    detach(other)
    assert "own" in execute(visitor, "return x").result


def test_connect_request_tells_the_ports_of_the_file(own_fleet, kernel_of, enter):
    kernel, published = kernel_of()
    file = json.loads(own_file(own_fleet, kernel).read_text())
    for client, file in ((enter(kernel), file), (published, own_fleet.info)):
        reply = request(client, "connect_request")["content"]
        assert {port: reply[port] for port in PORTS} == {port: file[port] for port in PORTS}


def test_interrupt_through_its_own_file(kernel_of, enter):
    kernel, _ = kernel_of()
    visitor = enter(kernel)
    running = visitor.execute("while true do end")
    deadline = Deadline(EXECUTE_SECONDS)
    while not is_status(next_message(visitor, "iopub", deadline, lambda: "busy"), "busy"):
        pass
    assert request(visitor, "interrupt_request", channel="control")["content"]["status"] == "ok"
    assert reply_to(visitor, running)["content"]["status"] == "error"


def test_input_is_asked_of_whoever_came_by_the_file(kernel_of, enter):
    kernel, published = kernel_of()
    visitor = enter(kernel)
    asked = visitor.execute("return io.read()", allow_stdin=True)
    assert visitor.get_stdin_msg(timeout=READY_SECONDS)["parent_header"]["msg_id"] == asked
    assert not published.stdin_channel.socket.poll(0)
    visitor.input("from the file")
    assert "from the file" in finish(visitor, asked).result


def test_restart_through_its_own_file_keeps_the_file(own_fleet, kernel_of, enter):
    kernel, published = kernel_of()
    execute(published, "x = 1")
    visitor = enter(kernel)
    assert request(visitor, "shutdown_request", {"restart": True}, channel="control")["content"]["restart"] is True
    assert execute(visitor, "return x").result in (None, "nil")
    assert execute(visitor, "y = 2").status == "ok"
    assert execute(published, "return y").result == "2"
    assert execute(enter(kernel), "return y").result == "2"
    assert kernels(own_fleet) == {kernel}


def test_the_own_file_of_an_isolated_kernel_lets_in(kernel_of, enter):
    kernel, owner = kernel_of(isolated=True)
    execute(owner, "x = 5")
    assert execute(enter(kernel), "return x").result == "5"


def test_at_a_kernels_file_whatever_contradicts_is_refused(kernel_of, enter):
    kernel, _ = kernel_of(group="one")
    other, _ = kernel_of(group="two")
    error = execute(enter(kernel, kernel=other), "return 1").error
    assert f"leads to kernel {kernel} and to no other" in error["evalue"]
    error = execute(enter(kernel, language="python"), "return 1").error
    assert f"kernel {kernel} speaks lua" in error["evalue"]


def test_heartbeats_are_echoed_at_a_kernels_file(own_fleet, kernel_of, enter):
    kernel, _ = kernel_of()
    enter(kernel)
    info = json.loads(own_file(own_fleet, kernel).read_text())
    with zmq.Context() as context, context.socket(zmq.REQ) as heart:
        heart.linger = 0
        heart.connect(f"tcp://{info['ip']}:{info['hb_port']}")
        heart.send(b"ping")
        assert heart.poll(EXECUTE_SECONDS * 1000) and heart.recv() == b"ping"


def test_the_published_key_opens_no_kernels_file(own_fleet, kernel_of):
    kernel, _ = kernel_of()
    file = own_file(own_fleet, kernel)
    forged = file.with_name("forged.json")
    forged.write_text(json.dumps(json.loads(file.read_text()) | {"key": own_fleet.info["key"]}))
    client = new_client(forged)
    client.start_channels()
    client.execute("return 1")
    assert not client.shell_channel.socket.poll(2000)
    client.stop_channels()


def test_the_door_of_a_kernel_that_is_gone_takes_nobody(own_fleet, kernel_of, enter):
    kernel, published = kernel_of()
    visitor = enter(kernel)
    info = json.loads(own_file(own_fleet, kernel).read_text())
    own_fleet.release([published])
    detach(visitor)

    def refuses(port):
        try:
            socket.create_connection((info["ip"], info[port]), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(lambda: all(refuses(port) for port in PORTS), 20, "the file's ports to be closed")


def test_whoever_is_inside_when_the_kernel_ends_is_told(own_fleet, kernel_of, enter):
    kernel, published = kernel_of()
    visitor = enter(kernel)
    [process] = own_fleet.kernel_processes()
    execute(visitor, "return 1")
    visitor_left = visitor.session.msg("shutdown_request", {"restart": False})
    visitor.control_channel.send(visitor_left)
    reply_to(visitor, visitor_left["header"]["msg_id"], channel="control")
    detach(published)
    wait_until(lambda: not own_fleet.kernel_processes(), 20, "the kernel to end")
    error = execute(visitor, "return 1").error
    assert f"there is no kernel {kernel}" in error["evalue"]
