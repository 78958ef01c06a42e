"""serve is killed and started again: clients find their kernels, their state, and an answer to what they had asked."""

import os
import signal

import pytest
from crashes import crash, finish_after, until_it_is_heard_again, wait_for_stream

from harness.clients import execute, new_client, reply_to
from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only


def test_ports_key_state_and_bindings_survive(lasting_fleet, connect):
    one, two = connect({"group": "a"}), connect({"group": "b"})
    assert execute(one, "x = 1\nimport os\nos.getpid()").status == "ok"
    assert execute(two, "x = 2").status == "ok"
    before = lasting_fleet.info
    crash(lasting_fleet)
    assert lasting_fleet.info == before
    assert execute(one, "x").result == "1"
    assert execute(two, "x").result == "2"
    newcomer = connect({"group": "a"})
    assert execute(newcomer, "x").result == "1", "the group is known, too"


def test_an_isolated_kernel_is_still_its_clients_alone(lasting_fleet, connect):
    owner = connect({"isolated": True})
    assert execute(owner, "x = 1").status == "ok"
    crash(lasting_fleet)
    assert execute(owner, "x").result == "1"
    assert execute(connect(), "'x' in globals()").result == "False"


def test_a_cell_that_runs_through_the_crash_gets_its_reply_and_its_output(lasting_fleet, connect):
    client = connect()
    marker = lasting_fleet.home.path / "go"
    code = f"import os, time\nprint('before', flush=True)\nwhile not os.path.exists({str(marker)!r}): time.sleep(0.05)\n"
    msg_id = client.execute(code + "print('after')\n6 * 7")
    wait_for_stream(client, "before")
    crash(lasting_fleet)
    # The client says nothing at all meanwhile: its sockets come back by themselves.
    until_it_is_heard_again(client)
    busy = new_client(lasting_fleet.published_file)
    busy.start_channels()
    busy.wait_for_ready(timeout=30)
    busy.stop_channels()
    marker.touch()
    done = finish_after(client, msg_id)
    assert (done.status, done.result) == ("ok", "42")
    assert "after" in done.stream()
    assert execute(client, "1 + 1").result == "2"


def test_a_cell_that_asks_for_input_after_the_crash_still_gets_it(lasting_fleet, connect):
    client = connect()
    marker = lasting_fleet.home.path / "go"
    msg_id = client.execute(
        f"import os, time\nprint('before', flush=True)\n"
        f"while not os.path.exists({str(marker)!r}): time.sleep(0.05)\ninput('? ')",
        allow_stdin=True,
    )
    wait_for_stream(client, "before")
    crash(lasting_fleet)
    until_it_is_heard_again(client)
    assert execute(connect({"group": "other"}), "1").status == "ok"
    marker.touch()
    assert client.get_stdin_msg(timeout=30)["content"]["prompt"] == "? "
    client.input("yes")
    assert finish_after(client, msg_id).result == "'yes'"


def test_a_cell_that_ends_while_nobody_serves_is_answered_with_an_error_that_says_so(lasting_fleet, connect):
    client = connect()
    marker, done = lasting_fleet.home.path / "go", lasting_fleet.home.path / "done"
    msg_id = client.execute(
        f"import os, time\nprint('before', flush=True)\n"
        f"while not os.path.exists({str(marker)!r}): time.sleep(0.05)\nx = 5\nopen({str(done)!r}, 'w').close()"
    )
    wait_for_stream(client, "before")
    lasting_fleet.kill()
    marker.touch()
    wait_until(done.exists, 10, lambda: "the cell to end")
    lasting_fleet.restart()
    reply = reply_to(client, msg_id, 10)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "FleetRestarted"), reply
    assert "variables are intact" in reply["evalue"]
    assert execute(client, "x").result == "5"


def test_a_kernel_that_dies_while_nobody_serves_is_replaced_and_its_client_told(lasting_fleet, connect):
    client = connect()
    pid = int(execute(client, "import os\nos.getpid()").result)
    msg_id = client.execute("print('before', flush=True)\nimport time\ntime.sleep(600)")
    wait_for_stream(client, "before")
    lasting_fleet.kill()
    os.kill(pid, signal.SIGKILL)
    lasting_fleet.restart()
    reply = reply_to(client, msg_id, 10)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "KernelLost"), reply
    assert execute(client, f"import os\nos.getpid() != {pid}", seconds=60).result == "True"
    wait_until(
        lambda: pid not in [kernel["pid"] for kernel in lasting_fleet.registry()["kernels"]],
        10,
        lambda: str(lasting_fleet.registry()),
    )


def test_twenty_crashes_in_a_row_lose_nothing(lasting_fleet, connect):
    client = connect()
    for number in range(20):
        assert execute(client, f"x = {number}").status == "ok"
        crash(lasting_fleet)
        assert execute(client, "x").result == str(number)
