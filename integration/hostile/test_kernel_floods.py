"""A kernel says more than anyone can read: what waits is bounded, what is lost is told, others do not notice."""

import json

import pytest
from prey import RUNTIMES, Prey
from siege import MEBIBYTE
from test_kernels import LITTLE, commit, evil  # noqa: F401

from harness.clients import execute, new_client
from harness.deadline import Deadline

pytestmark = pytest.mark.proxy_only

# What may wait for one client (`outbox_bytes`), beside it one message however long, and buffers on the way.
OUTBOX = 64 * MEBIBYTE
GIGABYTE_LINES = 1024


def test_iopub_for_a_client_that_does_not_read(evil):  # noqa: F811
    siege, new_prey = evil
    prey = new_prey(rcvhwm=1, rcvbuf=4096)
    seen, reply = commit(siege, prey, "flood_iopub", 300)
    assert reply["status"] == "ok"
    seen.is_borne(OUTBOX + LITTLE).is_counted(lost=1000)
    last = prey.demand("nothing")
    assert "more messages than this client could read" in str(prey.heard(last)) or siege.raised()["lost"], "lost in silence"


def test_questions_without_end(evil):  # noqa: F811
    """Each question has 1 KB; a client that reads none of them is sent 64 MiB, and told of the rest on iopub."""
    siege, new_prey = evil
    prey = new_prey()
    seen, reply = commit(siege, prey, "flood_stdin", 60_000)
    assert reply["status"] == "ok"
    seen.is_borne(OUTBOX + LITTLE)
    assert prey.question().startswith("0? ")


def test_comms_with_names_of_a_mebibyte(evil):  # noqa: F811
    """Of 65,536 comms serve remembers where they are, but of none with such a name."""
    siege, new_prey = evil
    prey = new_prey()
    seen, reply = commit(siege, prey, "flood_comms", 200)
    assert reply["status"] == "ok"
    seen.is_borne(OUTBOX + LITTLE)


def test_one_output_of_a_hundred_megabytes(evil):  # noqa: F811
    """It is read whole, 100 MiB; its buffer grows by copying; the client reads what was signed for it meanwhile."""
    siege, new_prey = evil
    prey = new_prey()
    seen, reply = commit(siege, prey, "send_huge", 100)
    assert reply["status"] == "ok"
    seen.is_borne(260 * MEBIBYTE)


def test_a_gigabyte_is_printed_and_one_client_never_reads(besieged):
    """An ipykernel prints 1 GB, a mebibyte at a time: what it is not told to flush it collects, and sends as one message.

    Of its two clients one reads nothing until all is printed, and the other nothing at all.
    """
    siege = besieged("[runtimes.python3]\npool = 0\n")
    needs = {"runtime": "python3", "group": "printers"}
    deaf = Prey(siege.fleet, runtime="python3", group="printers", rcvhwm=1, rcvbuf=4096)
    client = new_client(siege.fleet.published_file, needs)
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        assert deaf.reply_to(deaf.run("1"))["status"] == "ok"
        siege.begin()
        msg_id = client.execute(f"for n in range({GIGABYTE_LINES}): print('x' * (1 << 20), flush=True)", allow_stdin=False)
        seen = siege.while_going("1 GB printed", lambda: not client.shell_channel.socket.poll(0))
        assert client.get_shell_msg(timeout=30)["parent_header"]["msg_id"] == msg_id
        seen.is_borne(2 * OUTBOX + 2 * LITTLE).is_counted(lost=1)
        assert told_of_a_loss(deaf), "lost in silence"
        drain(client)
        assert execute(client, "6 * 7").result == "42"
    finally:
        client.stop_channels()
        deaf.close()


def told_of_a_loss(deaf):
    """Whether a client that begins to read is told that it has missed something."""
    deadline = Deadline(30)
    while deadline.left:
        _, header, _, content = deaf.wire.read(deaf.iopub, deadline.left)
        if header["msg_type"] == "stream" and content["name"] == "stderr":
            return True
    return False


def drain(client):
    while client.iopub_channel.socket.poll(500):
        client.get_iopub_msg(timeout=1)
