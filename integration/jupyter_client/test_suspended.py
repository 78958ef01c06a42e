"""Peers that are silent for a while, serve itself among them: nobody is given up for it, and no loss is hidden."""

import os
import re
import signal

import pytest
import zmq
from burst import burst_code
from zmq.utils.monitor import recv_monitor_message

from harness.clients import detach, execute, finish, is_status, new_client, next_message, reply_to
from harness.deadline import Deadline
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only

PING_MILLISECONDS = 200
SILENCE_MILLISECONDS = 10 * PING_MILLISECONDS
# Much more than one queue and the buffers of TCP hold.
COUNT, PADDING = 20_000, 500
SMALL_LIMITS = {"config": f"{CONFIG}\n[limits]\nping_after_ms = {PING_MILLISECONDS}\noutbox_bytes = 1_000_000\n"}


def watch(channel_socket):
    """The monitor that tells when a socket's connection was cut."""
    return channel_socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)


def assert_uncut(monitor, milliseconds=0):
    """Fails if a connection was cut, or is within that time."""
    assert not monitor.poll(milliseconds), f"a connection was cut: {recv_monitor_message(monitor)}"


# A client whose fleet is silent for three times the interval between PINGs comes back on another connection.
LAZY_PINGS = {"config": f"{CONFIG}\n[limits]\nping_after_ms = {SILENCE_MILLISECONDS}\n"}


@pytest.mark.parametrize("own_fleet", [LAZY_PINGS], indirect=True)
def test_kernels_and_clients_survive_that_serve_is_stopped_for_a_while(own_fleet, connect_own):
    client = connect_own()
    process = execute(client, "import os\ntreasure = 7\nos.getpid()").result
    channels = (client.shell_channel, client.iopub_channel, client.control_channel, client.stdin_channel)
    monitors = [watch(channel.socket) for channel in channels]
    os.kill(own_fleet.process.pid, signal.SIGSTOP)
    try:
        # Sent while nobody takes it, answered once somebody does.
        early = client.execute("'early'")
        assert_uncut(monitors[0], SILENCE_MILLISECONDS)
    finally:
        os.kill(own_fleet.process.pid, signal.SIGCONT)
    assert finish(client, early).result == "'early'"
    for monitor in monitors:
        assert_uncut(monitor, SILENCE_MILLISECONDS // len(monitors))
    assert execute(client, "treasure, os.getpid()").result == f"(7, {process})"


@pytest.fixture
def forgetful_client(own_fleet):
    """A client whose iopub socket takes little before it is read."""
    context = zmq.Context()
    context.rcvhwm, context.rcvbuf = 10, 64 << 10
    client = new_client(own_fleet.published_file, context=context)
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    detach(client)
    context.destroy(linger=0)


@pytest.mark.parametrize("own_fleet", [SMALL_LIMITS], indirect=True)
def test_a_client_that_does_not_read_keeps_its_connection_and_is_told_what_it_lost(own_fleet, forgetful_client):
    client = forgetful_client
    assert execute(client, "1").status == "ok"
    monitor = watch(client.iopub_channel.socket)
    msg_id = client.execute(burst_code(COUNT, PADDING))
    assert reply_to(client, msg_id, seconds=60)["content"]["status"] == "ok"
    assert_uncut(monitor, SILENCE_MILLISECONDS)

    numbers, lost, deadline, is_done = [], 0, Deadline(60), False
    while not is_done:
        message = next_message(client, "iopub", deadline, lambda: f"idle, after {len(numbers)} messages")
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        content = message["content"]
        is_done = is_status(message, "idle")
        if content.get("name") == "stdout":
            numbers.append(int(content["text"].rstrip("y\n")))
        if content.get("name") == "stderr":
            lost += int(re.search(r"(\d+) messages were lost", content["text"])[1])
    assert numbers == sorted(set(numbers))
    assert 0 < len(numbers) < COUNT, "nothing was lost: this proves nothing"
    assert lost == COUNT - len(numbers)
    assert_uncut(monitor)
    assert execute(client, "print('hears again')").stream() == "hears again\n"


PINGS_AT_ONCE = {"config": f"{CONFIG}\n[limits]\nping_after_ms = 1\n"}
# Messages of many frames, with pauses in which PINGs come.
SHOWS = """
import os, time
for number in range({}):
    get_ipython().kernel.session.send(
        get_ipython().kernel.iopub_socket, 'display_data', {{'data': {{'text/plain': str(number)}}, 'metadata': {{}}}},
        parent=get_ipython().get_parent(), ident=b'display_data', buffers=[b'x' * 500] * 30)
    time.sleep(0.001)
os.getpid()
"""
MANY = 900


@pytest.mark.parametrize("own_fleet", [PINGS_AT_ONCE], indirect=True)
def test_heartbeats_are_answered_in_the_middle_of_messages(own_fleet, connect_own):
    """As libzmq does: what it is asked then is no reason to end a connection, or a kernel."""
    client = connect_own()
    process = execute(client, "import os\nos.getpid()").result
    monitors = [watch(channel.socket) for channel in (client.shell_channel, client.iopub_channel)]
    shows = client.execute(SHOWS.format(MANY))
    for _ in range(MANY):
        message = client.session.msg("comm_msg", {"comm_id": "nobody", "data": {}})
        client.session.send(client.shell_channel.socket, message, buffers=[bytes(500)] * 30)
    done = finish(client, shows, seconds=60)
    assert done.result == process
    assert [each["data"]["text/plain"] for each in done.of_type("display_data")] == [str(number) for number in range(MANY)]
    assert execute(client, "os.getpid()", seconds=60).result == process
    for monitor in monitors:
        assert_uncut(monitor)
