"""The first messages of a client, which is a stranger still and may not have its iopub connection yet."""

import json

import pytest
import zmq

from harness.clients import execute
from harness.wire import Wire, execute_content

BUFFER_BYTES = 20 << 20
COUNT_BYTES = """
received = []
get_ipython().kernel.comm_manager.register_target("count", lambda comm, message: received.extend(map(len, message["buffers"])))
"""
OVERFLOW_CONFIG = """\
default_runtime = "python3"

[limits]
held_bytes = 3000
barrier_ms = 20000
"""


def test_a_large_message_may_follow_the_first_one_in_the_same_burst(connect, wire, group):
    """Only the first message proves that the peer is none of the strangers, from whom so much is not taken."""
    witness = connect(group=group)
    assert execute(witness, COUNT_BYTES).status == "ok"
    peer = wire()
    info = peer.message("kernel_info_request")
    large = peer.message("comm_open", {"comm_id": "large", "target_name": "count", "data": {}})
    buffer, last = bytes(BUFFER_BYTES), peer.message("execute_request", execute_content("received"))
    # The socket is still connecting: both leave together once it has.
    shell = peer.socket(zmq.DEALER, "shell")
    shell.send_multipart(info)
    shell.send_multipart([*large, buffer])
    shell.send_multipart(last)
    answered = {}
    while len(answered) < 2:
        _, _, parent, content = peer.read(shell)
        answered[parent["msg_id"]] = content["status"]
    assert answered == {json.loads(frames[2])["msg_id"]: "ok" for frames in (info, last)}
    assert execute(witness, "received").result == f"[{BUFFER_BYTES}]"


@pytest.mark.proxy_only
@pytest.mark.parametrize("own_fleet", [{"config": OVERFLOW_CONFIG}], indirect=True)
def test_messages_stay_in_order_when_more_is_held_than_may_be(own_fleet, connect_own, group):
    """No iopub connection comes for these peers, so their messages are held until they are too many."""
    witness = connect_own(group=group)
    for long_one in (0, 5):
        assert execute(witness, "order = []").status == "ok"
        peer = Wire(own_fleet.published_file, needs={"group": group})
        try:
            run_thirty(peer, long_one)
        finally:
            peer.close()
        assert execute(witness, "order == list(range(30)) or order").result == "True"


def run_thirty(peer, long_one):
    """Executes thirty numbered cells without waiting in between; one of them is long."""
    shell = peer.socket(zmq.DEALER, "shell")
    for number in range(30):
        padding = "p" * 4000 if number == long_one else ""
        shell.send_multipart(peer.message("execute_request", execute_content(f"order.append({number}) #{padding}")))
    for _ in range(30):
        assert peer.read(shell, seconds=15)[3]["status"] == "ok"
