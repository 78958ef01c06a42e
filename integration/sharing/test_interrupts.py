"""Whom an interrupt ends: the cell that runs, or the sender's own that wait behind another's."""

import pytest

from harness.clients import finish, next_message, reply_to, request
from harness.deadline import Deadline
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only

ENDLESS = "print('runs', flush=True)\nimport time\nwhile True: time.sleep(0.05)"


def interrupt(client):
    assert request(client, "interrupt_request", channel="control")["content"]["status"] == "ok"


def has_been_read(client):
    """What the client has sent on shell is with the fleet, which answers this in the order of the channel."""
    request(client, "connect_request")


def wait_until_it_runs(client, cell):
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: "`runs`")
        if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == cell:
            return


def test_who_waits_gives_up_its_own_cells_and_the_running_one_goes_on(crowd, fleet):
    busy, other = crowd(2)
    busy.session.username = "alice"
    gate = Gate(fleet.home, f"interrupt-{busy.session.session}")
    running = busy.execute(gate.cell("6 * 7"))
    wait_until_it_runs(busy, running)
    waiting = [other.execute("1"), other.execute("2")]
    has_been_read(other)
    interrupt(other)
    first = finish(other, waiting[0])
    assert first.status == "aborted"
    told = first.stream("stderr")
    assert "alice's cell" in told and "interrupt again, or run %fleet interrupt" in told
    assert reply_to(other, waiting[1])["content"]["status"] == "aborted"
    gate.open()
    assert reply_to(busy, running)["content"]["status"] == "ok"


def test_the_second_interrupt_ends_the_running_cell_and_its_owner_learns_by_whom(crowd):
    busy, other = crowd(2)
    other.session.username = "bob"
    running = busy.execute(ENDLESS)
    wait_until_it_runs(busy, running)
    waiting = other.execute("1")
    has_been_read(other)
    interrupt(other)
    assert reply_to(other, waiting)["content"]["status"] == "aborted"
    interrupt(other)
    messages, deadline = [], Deadline(30)
    while not (messages and messages[-1]["msg_type"] == "error"):
        messages.append(next_message(busy, "iopub", deadline, lambda: "the error"))
    told = [each["content"]["text"] for each in messages if each["content"].get("name") == "stderr" and each["parent_header"].get("msg_id") == running]
    assert told == ["[jupyter-fleet: interrupted by bob]\n"]
    assert reply_to(busy, running)["content"]["ename"] == "KeyboardInterrupt"


def test_the_owner_of_the_running_cell_interrupts_that(crowd):
    busy, other = crowd(2)
    running = busy.execute(ENDLESS)
    wait_until_it_runs(busy, running)
    behind, theirs = busy.execute("1"), other.execute("2")
    has_been_read(busy)
    has_been_read(other)
    interrupt(busy)
    assert [reply_to(busy, cell)["content"]["status"] for cell in (running, behind)] == ["error", "aborted"]
    assert reply_to(other, theirs)["content"]["status"] == "ok"
