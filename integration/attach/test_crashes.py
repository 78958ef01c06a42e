"""The fleet ends in the middle of something: each request is answered, once, and rightly."""

import signal

import pytest

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline, wait_until
from test_absence import lasting_fleet, runs_until, stream_of  # noqa: F401 (a fixture)


def test_a_cell_that_waits_for_another_kernel_is_not_taken_for_lost(lasting_fleet, host_of):
    home = lasting_fleet.home
    client = host_of(home, "--runtime", "python3", "--group", "g").client()
    other = host_of(home, "--runtime", "bash", "--group", "g").client()
    assert execute(client, "x = 1").status == execute(other, "true").status == "ok"
    go = home.path / "go"
    busy = other.execute(f"echo before; until [ -e {go} ]; do sleep 0.1; done")
    stream_of(other, busy, "before")
    msg_id = client.execute("%%fleet runtime=bash group=g\necho visited")
    wait_until(lambda: lasting_fleet.has_noted(msg_id), 10, "the fleet to have the cell")
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


def test_a_cell_that_waited_and_was_given_up_is_not_run(lasting_fleet, host_of):
    home = lasting_fleet.home
    go, ran = home.path / "go", home.path / "ran"
    first = host_of(home, "--group", "g").client()
    running = first.execute(runs_until(go))
    stream_of(first, running, "before")
    second = host_of(home, "--group", "g", "--patience", "2").client()
    waiting = second.execute(f"open({str(ran)!r}, 'w').close()")
    wait_until(lambda: lasting_fleet.has_noted(waiting), 10, "the fleet to have the cell")
    lasting_fleet.kill()
    assert reply_to(second, waiting)["content"]["ename"] == "FleetLost"
    lasting_fleet.restart()
    assert lasting_fleet.command("exec", "--group", "other", "-c", "1").returncode == 0
    asked = second.execute("2")
    go.touch()
    assert finish(second, asked).result == "2"
    assert reply_to(first, running)["content"]["status"] == "ok"
    assert not ran.exists()


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
