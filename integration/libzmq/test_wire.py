"""libzmq's own sockets with hand-signed messages: identities, subscriptions, heartbeats, odd frames."""

import json
import os
import uuid

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from harness.deadline import Deadline, wait_until
from harness.wire import DELIMITER, execute_content

IDENTITIES = {"none": None, "short": b"me", "longest": b"\x01" * 255, "random": uuid.uuid4().bytes.replace(b"\0", b"\1")}


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_a_dealer_with_and_without_identity(wire, identity):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell", **({"identity": identity} if identity else {}))
    assert peer.ask(shell, "kernel_info_request")["implementation"] == "ipython"
    assert peer.execute(shell, "1 + 1")["status"] == "ok"


def test_a_router_of_the_client_may_add_an_envelope(wire):
    """Frames before the delimiter belong to the sender and come back as they were."""
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    frames = peer.message("kernel_info_request")
    shell.send_multipart([b"hop one", b"", b"hop two", *frames])
    envelope, header, parent, _ = peer.read(shell)
    assert envelope == [b"hop one", b"", b"hop two"]
    assert (header["msg_type"], parent["msg_id"]) == ("kernel_info_reply", json.loads(frames[2])["msg_id"])


def test_one_session_over_two_shell_connections(wire):
    """A server opens more sockets for one session; each reply returns on the socket that asked."""
    peer = wire()
    first, second = peer.socket(zmq.DEALER, "shell"), peer.socket(zmq.DEALER, "shell")
    assert peer.execute(first, "x = 5")["status"] == "ok"
    assert peer.execute(second, "assert x == 5")["status"] == "ok"
    assert not first.poll(0)


def subscribe(peer, *topics):
    iopub = peer.socket(zmq.SUB, "iopub")
    for topic in topics:
        iopub.subscribe(topic)
    return iopub


def topics_heard(peer, iopub, msg_id):
    """The topic frames of this request's messages, through idle."""
    topics, deadline = [], Deadline(30)
    while True:
        topic, header, parent, content = peer.read(iopub, deadline.left)
        if parent.get("msg_id") != msg_id:
            continue
        topics.append(topic[0] if topic else b"")
        if content.get("execution_state") == "idle":
            return topics


def executed(peer, shell, code):
    frames = peer.message("execute_request", execute_content(code))
    shell.send_multipart(frames)
    assert peer.read(shell)[3]["status"] == "ok"
    return json.loads(frames[2])["msg_id"]


def test_a_late_subscriber_hears_what_comes_from_then_on(wire):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    assert peer.execute(shell, "print('nobody listens yet')")["status"] == "ok"
    iopub = subscribe(peer, b"")
    # Ready when the first message is there: each request gives it another chance.
    wait_until(lambda: peer.execute(shell, "1") and iopub.poll(100), 20, "the late subscriber to hear anything")
    msg_id = executed(peer, shell, "print('heard')")
    assert len(topics_heard(peer, iopub, msg_id)) >= 4


@pytest.mark.proxy_only
def test_a_late_subscriber_is_welcomed_with_the_kernels_status(wire):
    """A plain ipykernel welcomes only its first subscriber: libzmq tells it of no second one."""
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    assert peer.execute(shell, "1")["status"] == "ok"
    for _ in range(2):
        iopub = subscribe(peer, b"")
        kinds = [peer.read(iopub)[1]["msg_type"] for _ in range(2)]
        assert kinds == ["iopub_welcome", "status"]


def test_topic_prefixes_select_messages(wire):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    everything = subscribe(peer, b"")
    assert peer.execute(shell, "1")["status"] == "ok"
    wait_until(lambda: peer.execute(shell, "1") and everything.poll(100), 20, "the subscriber to hear anything")
    msg_id = executed(peer, shell, "print('x')")
    topics = topics_heard(peer, everything, msg_id)
    [stream_topic] = {topic for topic in topics if b"stream" in topic}

    selective = subscribe(peer, stream_topic)
    wait_until(lambda: peer.execute(shell, "print('x')") and selective.poll(100), 20, "the selective subscriber to hear a stream")
    peer.execute(shell, "print('y')\n1")
    heard = set()
    while selective.poll(300):
        heard.add(peer.read(selective)[0][0])
    assert heard and all(topic.startswith(stream_topic) for topic in heard)


def test_heartbeat_echoes_any_frames(wire):
    peer = wire()
    heartbeat = peer.socket(zmq.REQ, "hb")
    for beat in ([b"ping"], [b""], [b"a", b"", b"b"], [os.urandom(1000)]):
        heartbeat.send_multipart(beat)
        assert heartbeat.poll(10_000)
        assert heartbeat.recv_multipart() == beat


def test_zmtp_heartbeats_keep_the_connection(wire):
    """libzmq cuts a peer that leaves its PING without a PONG for the timeout: here it must never."""
    peer = wire()
    shell = peer.context.socket(zmq.DEALER)
    shell.linger = 0
    shell.heartbeat_ivl, shell.heartbeat_timeout, shell.heartbeat_ttl = 100, 300, 1000
    monitor = shell.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    shell.connect(peer.address("shell"))
    assert monitor.poll(10_000)
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    # Seven timeouts long nothing but PING and PONG: a DISCONNECTED would show here.
    assert not monitor.poll(2_100)
    assert peer.ask(shell, "kernel_info_request")["status"] == "ok"


def test_zero_length_and_huge_frames(wire):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    frames = peer.message("kernel_info_request")
    shell.send_multipart([*frames, b"", os.urandom(8_000_000), b""])
    assert peer.read(shell)[1]["msg_type"] == "kernel_info_reply"
    assert peer.execute(shell, f"x = '{'z' * 5_000_000}'")["status"] == "ok"
    assert peer.execute(shell, "assert len(x) == 5_000_000")["status"] == "ok"


def test_header_keys_and_metadata_that_nobody_knows_pass(wire):
    peer = wire()
    shell = peer.socket(zmq.DEALER, "shell")
    _, _, header, parent, metadata, content = peer.message("kernel_info_request")
    header = json.dumps(json.loads(header) | {"vendor": {"deep": [1, None]}}).encode()
    parts = [header, parent, metadata, content]
    shell.send_multipart([DELIMITER, peer.sign(parts), *parts])
    assert peer.read(shell)[2]["vendor"] == {"deep": [1, None]}
