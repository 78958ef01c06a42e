"""The fleet ends in the middle of something: each request is answered, once, and rightly."""

import json
import signal

import psutil
import pytest

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline, wait_until
from test_absence import lasting_fleet, runs_until, stream_of  # noqa: F401 (a fixture)


def test_a_cell_whose_reply_is_lost_fails_and_says_that_it_has_run(lasting_fleet, host_of):
    host = host_of(lasting_fleet.home, "--runtime", "python3", "--group", "g")
    client = host.client()
    go = lasting_fleet.home.path / "go"
    assert execute(client, "x = 'a' * 30_000_000").status == "ok"
    code = f"import os, time\nprint('before', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)"
    msg_id = client.execute(code, user_expressions={"x": "x"})
    stream_of(client, msg_id, "before")
    attach = psutil.Process(host.process.pid)
    attach.suspend()
    go.touch()
    done = lasting_fleet.command("exec", "--group", "g", "--runtime", "python3", "-c", "1")
    assert done.returncode == 0, "the cell has run, for this one came after it"
    lasting_fleet.kill()
    attach.resume()
    lasting_fleet.restart()
    reply = reply_to(client, msg_id, 60)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "FleetLost")
    assert "has run" in reply["evalue"]
    assert execute(client, "1 + 1").result == "2"


def test_a_cell_that_waits_for_another_kernel_is_not_taken_for_lost(lasting_fleet, host_of):
    home = lasting_fleet.home
    client = host_of(home, "--runtime", "python3", "--group", "g").client()
    other = host_of(home, "--runtime", "bash", "--group", "g").client()
    assert execute(client, "x = 1").status == execute(other, "true").status == "ok"
    go = home.path / "go"
    busy = other.execute(f"echo before; until [ -e {go} ]; do sleep 0.1; done")
    stream_of(other, busy, "before")
    msg_id = client.execute("%%fleet runtime=bash group=g\necho visited")
    wait_until(lambda: is_receipted(lasting_fleet, msg_id), 10, "the fleet to have told attach that it has the cell")
    lasting_fleet.kill()
    lasting_fleet.restart()
    with pytest.raises(AssertionError, match="nothing more on shell"):
        reply_to(client, msg_id, 8)
    go.touch()
    reply = reply_to(client, msg_id)["content"]
    # On a busy machine libzmq may ignore the fleet's old routing id: then the fleet itself says that the reply is lost.
    assert (reply["status"], reply.get("ename")) in [("ok", None), ("error", "FleetRestarted")]


def test_a_reply_that_comes_after_the_patience_is_not_given_a_second_time(lasting_fleet, host_of):
    go = lasting_fleet.home.path / "go"
    client = host_of(lasting_fleet.home, "--patience", "2").client()
    msg_id = client.execute(runs_until(go))
    stream_of(client, msg_id, "before")
    lasting_fleet.kill()
    assert reply_to(client, msg_id)["content"]["ename"] == "FleetLost"
    lasting_fleet.restart()
    assert lasting_fleet.command("exec", "--group", "other", "-c", "1").returncode == 0
    go.touch()
    wait_until(lambda: execute(client, "x").result == "42", 30, "the cell to end")
    # Replies of one kernel come in order: had there been a second one, it would be here before this.
    asked = client.execute("2")
    replies, deadline = [], Deadline(30)
    while asked not in replies:
        replies.append(next_message(client, "shell", deadline, lambda: "a reply")["parent_header"]["msg_id"])
    assert msg_id not in replies


def test_an_interrupt_while_the_fleet_is_away_is_answered_and_ends_what_waits(lasting_fleet, host_of):
    client = host_of(lasting_fleet.home).client()
    assert execute(client, "x = 1").status == "ok"
    lasting_fleet.kill()
    msg_id = client.execute("x = 2")
    stream_of(client, msg_id, "does not answer")
    assert request(client, "interrupt_request", channel="control")["content"]["status"] == "ok"
    reply = reply_to(client, msg_id)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "Interrupted")
    lasting_fleet.restart()
    msg_id = client.execute("x")
    done = finish(client, msg_id)
    assert (done.status, done.result) == ("ok", "1"), "neither the cell nor the interrupt came later"


def test_a_fleet_that_is_stopped_for_some_seconds_is_waited_for_at_the_start(lasting_fleet, host_of):
    lasting_fleet.process.send_signal(signal.SIGSTOP)
    try:
        client = host_of(lasting_fleet.home).client(ready=False)
        msg_id = client.execute("1 + 1")
        with pytest.raises(AssertionError, match="nothing more on shell"):
            reply_to(client, msg_id, 4)
    finally:
        lasting_fleet.process.send_signal(signal.SIGCONT)
    assert reply_to(client, msg_id)["content"]["status"] == "ok"


def is_receipted(fleet, msg_id):
    """Whether the journal holds the cell, and after it a question of its attach that has been answered."""
    lines = (fleet.home.runtime_dir / ".fleet" / "requests.log").read_text().split("\n")[:-1]
    asked, receipts = None, set()
    for kind, value in (item for line in lines for item in json.loads(line).items()):
        if kind == "asked" and value[1]["msg_id"] == msg_id:
            asked = value[1]["session"]
        elif kind == "asked" and value[1]["msg_type"] == "connect_request" and value[1]["session"] == asked:
            receipts.add(value[0])
        elif kind == "answered" and value in receipts:
            return True
    return False
