"""What a client hears last of a kernel's status is what the kernel does: frontends show whatever came last."""

import pytest

from harness.clients import execute, is_status, next_message, reply_to, request
from harness.deadline import Deadline
from harness.gate import Gate
from harness.magics import ask

pytestmark = pytest.mark.proxy_only

DEBUG_INFO = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}


def statuses_until(client, state, parent=None):
    """The statuses that the client hears, up to one that is this and answers that."""
    deadline, heard = Deadline(30), []
    while True:
        message = next_message(client, "iopub", deadline, lambda: f"{state} after {heard}")
        if message["msg_type"] != "status":
            continue
        heard.append(message["content"]["execution_state"])
        if is_status(message, state) and message["parent_header"].get("msg_id") == parent:
            return heard


def asked_on_control(client):
    message = client.session.msg("debug_request", DEBUG_INFO)
    client.control_channel.send(message)
    assert reply_to(client, message["header"]["msg_id"], channel="control")["content"]["success"]
    return message["header"]["msg_id"]


@pytest.fixture
def busy_kernel(crowd, fleet):
    """A kernel that runs the first one's cell; both have heard so."""
    busy, other = crowd(2)
    # Who has asked for nothing has no kernel, and hears none.
    assert execute(other, "1").status == "ok"
    gate = Gate(fleet.home, f"status-{busy.session.session}")
    running = busy.execute(gate.cell())
    for client in (busy, other):
        statuses_until(client, "busy", running)
    yield busy, other, running
    gate.open()
    assert reply_to(busy, running)["content"]["status"] == "ok"
    for client in (busy, other):
        assert statuses_until(client, "idle", running)[-1] == "idle"


@pytest.mark.parametrize("asker", [0, 1])
def test_a_request_on_control_ends_idle_for_its_client_and_the_kernel_is_still_busy(busy_kernel, asker):
    asked = asked_on_control(busy_kernel[asker])
    for client in busy_kernel[:2]:
        assert statuses_until(client, "idle", asked)[-2:] == ["busy", "idle"]
        assert statuses_until(client, "busy") == ["busy"]


def test_who_comes_then_is_told_that_it_is_busy(busy_kernel, connect, group):
    asked_on_control(busy_kernel[0])
    newcomer = connect(group=group, runtime="python3")
    request(newcomer, "comm_info_request", channel="control")
    assert statuses_until(newcomer, "busy")[-1] == "busy"
    ask(newcomer, "%fleet")
    assert statuses_until(newcomer, "busy")[-1] == "busy"
