"""serve is killed and started again: who has moved stays where it is, and visits find what they left."""

import pytest
from crashes import crash, wait_until_up

from harness.clients import execute, next_message, reply_to
from harness.deadline import Deadline
from harness.magics import ask, own_kernel, run, send, wait_for_start

pytestmark = pytest.mark.proxy_only


def listen_again(client):
    """A subscriber is one again only after it has looked at its socket: libzmq sends the subscription then."""
    asked, deadline = client.kernel_info(), Deadline(30)
    while next_message(client, "iopub", deadline, lambda: "who the kernel is")["parent_header"].get("msg_id") != asked:
        pass
    assert reply_to(client, asked)["msg_type"] == "kernel_info_reply"


def test_who_has_moved_stays_there(lasting_fleet, connect):
    client = connect({"runtime": "python3"})
    execute(client, "x = 1")
    ask(client, "%fleet use lua")
    run(client, "x = 'lua'")
    kernel = own_kernel(client)
    crash(lasting_fleet)
    assert run(client, "print(x)").stream() == "lua\n"
    assert own_kernel(client) == kernel


def test_a_visit_finds_what_it_left(lasting_fleet, connect):
    client = connect({"runtime": "python3"})
    execute(client, "x = 1")
    run(client, "%%fleet lua\nx = 'lua'")
    crash(lasting_fleet)
    assert run(client, "%%fleet lua\nprint(x)").stream() == "lua\n"
    assert execute(client, "x").result == "1"


def test_a_cell_that_visits_through_the_crash_is_answered(lasting_fleet, connect):
    client = connect({"runtime": "lua"})
    run(client, "x = 'lua'")
    marker = lasting_fleet.home.path / "go"
    waits = f"import os, time\nprint('started', flush=True)\nwhile not os.path.exists({str(marker)!r}): time.sleep(.05)\n"
    msg_id = send(client, f"%%fleet python3\n{waits}print('after')")
    wait_for_start(client)
    wait_until_up(lasting_fleet)
    crash(lasting_fleet)
    listen_again(client)
    wait_until_up(lasting_fleet)
    marker.touch()
    reply = reply_to(client, msg_id)["content"]
    assert reply["status"] == "ok", reply["evalue"]
    deadline = Deadline(30)
    while next_message(client, "iopub", deadline, lambda: "the rest of the cell")["content"].get("text") != "after\n":
        pass
    assert run(client, "print(x)").stream() == "lua\n"
