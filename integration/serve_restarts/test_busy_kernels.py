"""serve takes up a kernel that is busy: it never waits for what the kernel answers only after its cell."""

import json
import os
import signal

import pytest
from crashes import states, wait_until_up

from harness.clients import execute, new_client, reply_to
from harness.deadline import wait_until
from harness.gate import Gate, ticks
from harness.takeover import STEPS, start_and_kill_at, start_and_kill_within

pytestmark = pytest.mark.proxy_only

SECONDS = 30
MOMENTS = 10
# How a cell is answered that ran through a crash. The Lua kernel replies to the connection that a request came on, and to no
# other one with its routing id, so that its reply is lost.
ANSWERS = {"python3": ("ok", None), "lua": ("error", "FleetRestarted")}
# Each cell goes on until the gate is open: it outlives every serve of its test but the last.
LUA = """x = 21
local number = 0
repeat
    print('tick ' .. number)
    number = number + 1
    os.execute('sleep 0.05')
    local gate = io.open('{gate}')
until gate
print('done')"""


@pytest.fixture
def gate(lasting_fleet):
    return Gate(lasting_fleet.home)


@pytest.fixture(params=["python3", "lua"])
def busy(request, lasting_fleet, connect, gate):
    """A client whose cell ticks, and the cell."""
    client = connect({"runtime": request.param, "group": "busy"})
    code = "x = 21\n" + gate.ticking_cell() if request.param == "python3" else LUA.format(gate=lasting_fleet.home.working_dir / "gate")
    msg_id = client.execute(code)
    until_it_ticks(client)
    return client, msg_id


def until_it_ticks(client):
    """Waits until a tick is heard."""
    wait_until(lambda: ticks(client.get_iopub_msg(timeout=SECONDS)["content"].get("text", "")), SECONDS, "a tick")


def until_it_ticks_again(client):
    """Waits for a tick that the serve of now has carried: those of others are all here by now."""
    while client.iopub_channel.msg_ready():
        client.get_iopub_msg(timeout=SECONDS)
    until_it_ticks(client)


def is_taken_up_and_its_cell_is_answered(fleet, client, msg_id, gate):
    """While the cell runs, serve talks to its kernel and others attach to it; then the cell is answered, and its variables are there."""
    wait_until_up(fleet)
    assert "cannot be talked to" not in fleet.stderr, fleet.report()
    until_it_ticks_again(client)
    assert [kernel["status"] for kernel in fleet.answer("list") if kernel["clients"]] == ["busy"]
    gate.open()
    reply = reply_to(client, msg_id, SECONDS)["content"]
    assert (reply["status"], reply.get("ename")) == ANSWERS[client.session.metadata["fleet"]["runtime"]], reply
    assert execute(client, "print(x)").stream() == "21\n"


def test_serve_may_be_killed_at_each_step_of_taking_it_up(lasting_fleet, busy, gate):
    client, msg_id = busy
    lasting_fleet.kill()
    for step in STEPS:
        start_and_kill_at(lasting_fleet, step)
    lasting_fleet.restart()
    is_taken_up_and_its_cell_is_answered(lasting_fleet, client, msg_id, gate)


def test_serve_may_be_killed_at_any_moment(lasting_fleet, busy, gate):
    client, msg_id = busy
    lasting_fleet.kill()
    for seed in range(MOMENTS):
        start_and_kill_within(lasting_fleet, seed)
    lasting_fleet.restart()
    is_taken_up_and_its_cell_is_answered(lasting_fleet, client, msg_id, gate)


def test_what_one_serve_could_not_reach_the_next_takes_up(lasting_fleet, busy, gate):
    client, msg_id = busy
    [kernel] = [kernel for kernel in lasting_fleet.registry()["kernels"] if kernel["clients"]]
    lasting_fleet.kill()
    os.kill(kernel["pid"], signal.SIGSTOP)
    try:
        lasting_fleet.launch()
        wait_until(lambda: "unresponsive" in states(lasting_fleet), SECONDS, lasting_fleet.report)
        lasting_fleet.kill()
    finally:
        os.kill(kernel["pid"], signal.SIGCONT)
    lasting_fleet.restart()
    is_taken_up_and_its_cell_is_answered(lasting_fleet, client, msg_id, gate)


def test_a_kernel_that_the_registry_hardly_knows_is_taken_up_and_others_attach_to_it(lasting_fleet, busy, gate):
    """As if it had come up just before the crash: the journal knows the connection, and nothing knows the kernel's info."""
    client, msg_id = busy
    lasting_fleet.kill()
    file = lasting_fleet.home.runtime_dir / ".fleet" / "registry.json"
    registry = json.loads(file.read_text())
    for kernel in registry["kernels"]:
        kernel |= {"status": "starting", "port": None, "identity": None, "kernel_info": None}
        kernel.pop("earlier_identities", None)
    file.write_text(json.dumps(registry))
    lasting_fleet.restart()
    wait_until_up(lasting_fleet)
    newcomer = new_client(lasting_fleet.published_file, {"group": "busy", "runtime": client.session.metadata["fleet"]["runtime"]})
    newcomer.start_channels()
    try:
        assert reply_to(newcomer, newcomer.kernel_info(), SECONDS)["content"]["status"] == "ok"
        assert [kernel["clients"] for kernel in lasting_fleet.answer("list") if kernel["clients"]] == [2]
    finally:
        newcomer.stop_channels()
    is_taken_up_and_its_cell_is_answered(lasting_fleet, client, msg_id, gate)
