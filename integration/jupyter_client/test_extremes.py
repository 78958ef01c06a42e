"""Sizes beyond what a queue holds, at moments when nobody reads: nothing is lost, nobody hangs, no kernel is given up."""

import pytest
from gated import GATED_CONFIG, Gate

from harness.clients import execute, finish, next_message
from harness.deadline import Deadline, wait_until

MEBIBYTE = 1 << 20


def send_comm(client, size):
    """Sends a comm message with one buffer; the kernel knows no such comm and drops it."""
    message = client.session.msg("comm_msg", {"comm_id": "nobody", "data": {}})
    client.session.send(client.shell_channel.socket, message, buffers=[bytes(size)])


def collect_replies(client, msg_ids, seconds=60):
    """All replies, by what they answer, until those to `msg_ids` are among them."""
    replies, deadline = {}, Deadline(seconds)
    while not msg_ids <= set(replies):
        reply = next_message(client, "shell", deadline, lambda: f"replies to {msg_ids - set(replies)}")
        replies[reply["parent_header"]["msg_id"]] = reply
    return replies


def assert_ok_or_too_much(reply):
    """A request that follows too much is served or refused in so many words."""
    content = reply["content"]
    assert content["status"] == "ok" or content["ename"] == "TooManyRequests", content


def test_a_display_larger_than_the_queue_of_a_client_arrives_with_all_that_follows(connect, group):
    client = connect(group=group)
    code = "display({'text/plain': 'x' * 100_000_000}, raw=True)\nprint('after')"
    done = execute(client, code, seconds=60)
    assert done.status == "ok"
    [display] = done.of_type("display_data")
    assert len(display["data"]["text/plain"]) == 100_000_000
    assert (done.stream(), done.stream("stderr")) == ("after\n", "")
    assert execute(client, "print('next')").stream() == "next\n"


def test_a_kernel_survives_a_message_larger_than_its_queue(connect, group):
    client = connect(group=group)
    process = execute(client, "import os\ntreasure = 7\nos.getpid()").result
    send_comm(client, 120 * MEBIBYTE)
    assert_ok_or_too_much(finish(client, client.execute("treasure"), seconds=60).reply)
    wait_until(lambda: execute(client, "1").status == "ok", 30, "the kernel to take requests again")
    assert execute(client, "treasure, os.getpid()").result == f"(7, {process})"


@pytest.mark.proxy_only
@pytest.mark.parametrize("own_fleet", [{"config": GATED_CONFIG}], indirect=True)
def test_more_than_a_starting_kernel_may_hold_leaves_no_request_unanswered(own_fleet, connect_own):
    client = connect_own(ready=False, runtime="gated")
    first = client.execute("a = 1")
    for _ in range(2):
        send_comm(client, 45 * MEBIBYTE)
    last = client.execute("a + 1")
    # The proxy answers this one itself, and in order: all that came before it has been routed, to a kernel that waits.
    connect = client.session.msg("connect_request", {})
    client.shell_channel.send(connect)
    replies = collect_replies(client, {connect["header"]["msg_id"]})
    gate = Gate(own_fleet)
    wait_until(gate.waiting, 20, "the kernel's process")
    gate.open()
    replies |= collect_replies(client, {first, last} - set(replies))
    assert replies[first]["content"]["status"] == "ok", replies[first]["content"]
    assert_ok_or_too_much(replies[last])
    assert execute(client, "a + 2").result == "3"
