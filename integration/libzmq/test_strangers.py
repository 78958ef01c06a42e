"""Peers that must not be answered, while an honest client works on undisturbed.

"No answer" is proved without waiting: an honest request follows on the same connection, and the first reply that
comes back is the honest one's.
"""

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from harness.clients import execute, finish
from harness.wire import DELIMITER, execute_content


@pytest.fixture
def honest(connect, group):
    """An honest client of the same kernel; works before, and must work after."""
    client = connect(group=group)
    assert execute(client, "honest = 1").status == "ok"
    yield client
    done = execute(client, "print('still here', honest)")
    assert (done.status, done.stream()) == ("ok", "still here 1\n")


def altered(frames):
    """A signed `evil = 0` whose content says `evil = 1`."""
    return [*frames[:5], frames[5].replace(b"evil = 0", b"evil = 1")]


def unsigned(frames):
    return [DELIMITER, b"", *frames[2:]]


def without_delimiter(frames):
    return frames[1:]


def three_parts(frames):
    return frames[:5]


def only_delimiter(frames):
    return [DELIMITER]


def one_empty_frame(frames):
    return [b""]


def not_json(peer):
    parts = [b"{", b"{}", b"{}", b"{}"]
    return [DELIMITER, peer.sign(parts), *parts]


@pytest.mark.parametrize("spoil", [altered, unsigned, without_delimiter, three_parts, only_delimiter, one_empty_frame])
def test_a_spoiled_message_is_neither_answered_nor_executed(honest, wire, spoil):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    shell.send_multipart(spoil(peer.message("execute_request", execute_content("evil = 0"))))
    assert peer.ask(shell, "kernel_info_request")["status"] == "ok"
    assert execute(honest, "'evil' in globals()").result == "False"


def test_signed_nonsense_is_not_answered(honest, wire):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    shell.send_multipart(not_json(peer))
    assert peer.ask(shell, "kernel_info_request")["status"] == "ok"


def test_a_replayed_message_is_executed_once(honest, wire):
    execute(honest, "count = 0")
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    frames = peer.message("execute_request", execute_content("count += 1"))
    shell.send_multipart(frames)
    assert peer.read(shell)[3]["status"] == "ok"
    shell.send_multipart(frames)
    assert peer.ask(shell, "kernel_info_request")["status"] == "ok"
    assert execute(honest, "count").result == "1"


def test_a_replay_on_another_connection_is_not_executed(honest, wire):
    execute(honest, "count = 0")
    peer = wire()
    frames = peer.message("execute_request", execute_content("count += 1"))
    for _ in range(2):
        shell = peer.socket(zmq.DEALER, "shell")
        shell.send_multipart(frames)
        shell.send_multipart(peer.message("kernel_info_request"))
        while peer.read(shell)[1]["msg_type"] != "kernel_info_reply":
            pass
    assert execute(honest, "count").result == "1"


def monitored(peer, channel):
    """A DEALER that does not reconnect, and the monitor that tells when it was cut."""
    socket = peer.context.socket(zmq.DEALER)
    socket.linger, socket.reconnect_ivl = 0, -1
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    socket.connect(peer.address(channel))
    assert monitor.poll(10_000)
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    return socket, monitor


@pytest.mark.proxy_only
@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
def test_a_wrong_key_gets_no_answer_and_is_cut_at_the_third_message(honest, wire, channel):
    peer = wire(key="not the key")
    socket, monitor = monitored(peer, channel)
    for _ in range(3):
        socket.send_multipart(peer.message("kernel_info_request"))
    assert monitor.poll(10_000), "the connection was not cut"
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_DISCONNECTED
    assert not socket.poll(0), "a stranger was answered"


@pytest.mark.proxy_only
def test_two_bad_signatures_do_not_cut_a_connection(honest, wire):
    peer, stranger = wire(), wire(key="not the key")
    socket, monitor = monitored(peer, "shell")
    for _ in range(2):
        socket.send_multipart(stranger.message("kernel_info_request"))
    assert peer.ask(socket, "kernel_info_request")["status"] == "ok"
    assert not monitor.poll(0)


def test_a_wrong_key_cannot_answer_a_prompt(honest, wire):
    msg_id = honest.execute("print('got', input('? '))")
    prompt = honest.get_stdin_msg(timeout=30)
    stranger = wire(key="not the key")
    stdin = stranger.socket(zmq.DEALER, "stdin")
    stdin.send_multipart(stranger.message("input_reply", {"value": "stolen", "status": "ok"}))
    honest.input("mine")
    assert prompt["parent_header"]["msg_id"] == msg_id
    assert finish(honest, msg_id).stream() == "got mine\n"
