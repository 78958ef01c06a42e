"""How a fleet grows, how far, and how it shrinks again. Most with the built-in Lua kernel, which starts at once."""

import json

import pytest

from harness.clients import READY_SECONDS, detach, execute, finish, next_message, request
from harness.deadline import Deadline, wait_until

pytestmark = pytest.mark.proxy_only

PLAIN = """\
default_runtime = "lua"

[runtimes.lua]
pool = 0
"""
# The first client of a kernel leaves its name there.
FIRST = 'first = first or "{}"\nreturn first'
SLOW_COMM = """
import pathlib, time
def handle(comm, message):
    time.sleep(8)
    pathlib.Path({!r}).write_text("done")
get_ipython().kernel.comm_manager.register_target("slow", handle)
"""


def refusal(client):
    done = execute(client, "return 1")
    assert done.status == "error"
    return done.error["evalue"]


def first_of(client, name):
    """The name of the client that was the first of this client's kernel."""
    done = execute(client, FIRST.format(name))
    assert done.status == "ok", done.reply["content"]
    return done.result.strip('"')


def kernels(fleet, count, what):
    """The pids of the kernels once there are this many: of one look, for a process that is being executed shows nothing."""

    def pids():
        return {process.pid for process in fleet.kernel_processes()}

    return wait_until(lambda: len(found := pids()) == count and found, 20, what)


def lines_on_stderr(client, seconds, until):
    """What arrives on stderr's stream for no cell in particular, through the first text that contains `until`."""
    texts, deadline = [], Deadline(seconds)
    while not (texts and until in texts[-1]):
        message = next_message(client, "iopub", deadline, lambda: f"{until!r} on stderr, had {texts}")
        if message["msg_type"] == "stream":
            assert message["content"]["name"] == "stderr"
            texts.append(message["content"]["text"])
    return texts


def test_beyond_max_kernels_the_cell_says_what_runs_and_what_to_do(fleet_of):
    fleet, connect = fleet_of("max_kernels = 2\n" + PLAIN)
    one, _ = connect(group="one"), connect(group="two")
    names = [file.stem.removeprefix("kernel-") for file in fleet.home.runtime_dir.glob(".fleet/kernel-*.json")]
    text = refusal(connect(group="three"))
    assert "group=three" in text and "max_kernels" in text and "2 kernels" in text
    assert len(names) == 2 and all(f"{name} (lua)" in text for name in names)
    assert first_of(connect(group="two"), "late") == "late", "what exists is shared"

    detach(one)
    wait_until(lambda: len(fleet.kernel_processes()) == 1, 20, "the first kernel to end")
    assert first_of(connect(group="three"), "third") == "third"


def test_beyond_max_memory_the_cell_says_who_has_reserved_how_much(fleet_of):
    _, connect = fleet_of('max_memory = "2G"\n' + PLAIN + 'memory_limit = "1G"\n')
    connect(group="one")
    connect(group="two", memory_limit="768M")
    text = refusal(connect(group="three", memory_limit="512M"))
    for part in ("memory_limit=512M", "2G (max_memory)", "256M is left", "1792M is reserved", "(lua, 1G)", "(lua, 768M)"):
        assert part in text, text
    assert first_of(connect(group="three", memory_limit="256M"), "small") == "small"


def test_where_memory_is_bounded_a_kernel_without_a_limit_is_refused(fleet_of):
    _, connect = fleet_of('max_memory = "2G"\n' + PLAIN)
    assert "set memory_limit for its runtime" in refusal(connect())


def test_full_kernels_make_the_fleet_grow_and_the_least_loaded_takes_the_next(fleet_of):
    fleet, connect = fleet_of("max_clients = 3\n" + PLAIN)
    clients = [connect() for _ in range(3)]
    assert [first_of(client, "a") for client in clients] == ["a"] * 3
    assert first_of(connect(), "b") == "b", "the first kernel is full"
    assert len(fleet.kernel_processes()) == 2
    detach(clients[0])
    assert first_of(connect(), "c") == "b", "it has one client, the other two"
    assert first_of(connect(), "d") in ("a", "b")
    assert first_of(connect(), "e") in ("a", "b")
    assert first_of(connect(), "f") == "f", "both are full"


def test_one_kernel_of_the_default_runtime_is_kept_warm(fleet_of):
    fleet, connect = fleet_of('default_runtime = "lua"\n')
    [warm] = kernels(fleet, 1, "a kernel before anyone asks")
    assert first_of(connect(), "me") == "me"
    assert warm in kernels(fleet, 2, "another one, after the first was used")
    assert first_of(connect(), "you") == "me", "the warm one is not for those who may share"
    assert first_of(connect(group="other"), "you") == "you"


def test_a_warm_kernel_gives_way_to_a_client_that_needs_another(fleet_of, binary):
    argv = json.dumps([binary, "lua-kernel", "-f", "{connection_file}"])
    other = f'[runtimes.other]\nargv = {argv}\nlanguage = "lua"\ninterrupt_mode = "message"\n'
    fleet, connect = fleet_of(f'max_kernels = 1\ndefault_runtime = "lua"\n{other}')
    [warm] = kernels(fleet, 1, "the warm kernel")
    client = connect(runtime="other")
    assert first_of(client, "me") == "me"

    def warm_one_is_gone():
        left = {process.pid for process in fleet.kernel_processes()}
        return len(left) == 1 and warm not in left

    wait_until(warm_one_is_gone, 20, "the warm kernel to be gone, and none in its place")
    assert "max_kernels" in refusal(connect(runtime="lua"))


def test_an_idle_kernel_is_stopped_after_a_notice(fleet_of):
    fleet, connect = fleet_of("cull_after = 2\n" + PLAIN)
    client = connect()
    assert execute(client, "x = 7").status == "ok"
    warning, end = lines_on_stderr(client, 20, "was stopped")
    assert warning.startswith("[jupyter-fleet: kernel ") and "(lua) has been idle for 2s" in warning
    assert "will be stopped in 200ms; run anything to keep it" in warning
    assert "was stopped: it was idle for 2s; the next request gets a new kernel" in end
    wait_until(lambda: not fleet.kernel_processes(), 20, "the kernel to end")
    assert execute(client, "return x").result in (None, "nil")


def test_a_kernel_that_everyone_has_left_is_stopped(fleet_of):
    fleet, connect = fleet_of("cull_after = 2\n" + PLAIN)
    client = connect()
    assert execute(client, "return 1").result == "1"
    client.stop_channels()
    wait_until(lambda: not fleet.kernel_processes(), 20, "the kernel to end")


def test_a_running_cell_is_never_idle(fleet_of):
    """The cell waits for input while kernels that are younger come and go."""
    fleet, connect = fleet_of("cull_after = 1\n" + PLAIN)
    client = connect(group="running")
    msg_id = client.execute("x = io.read()\nreturn x", allow_stdin=True)
    client.get_stdin_msg(timeout=READY_SECONDS)
    for group in ("one", "two"):
        lines_on_stderr(connect(group=group), 20, "was stopped")
    client.input("still here")
    assert "still here" in finish(client, msg_id).result


def test_a_comms_handler_that_runs_keeps_its_kernel(fleet_of, tmp_path):
    """Control says that it is idle meanwhile, and no reply is due to a comm's message."""
    done = tmp_path / "done"
    _, connect = fleet_of('cull_after = 1\ndefault_runtime = "python3"\n[runtimes.python3]\npool = 0\n')
    client = connect()
    assert execute(client, SLOW_COMM.format(str(done))).status == "ok"
    opened = {"comm_id": "1", "target_name": "slow", "data": {}}
    client.shell_channel.send(client.session.msg("comm_open", opened))
    asked = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}
    request(client, "debug_request", asked, channel="control")
    wait_until(done.exists, 30, "the handler to end, rather than its kernel")


def test_whatever_is_run_after_the_notice_keeps_the_kernel(fleet_of):
    _, connect = fleet_of("cull_after = 10\n" + PLAIN)
    client = connect()
    assert execute(client, "x = 7").status == "ok"
    lines_on_stderr(client, 40, "has been idle for 10s and will be stopped in 1s")
    assert execute(client, "return x").result == "7"
    assert lines_on_stderr(client, 40, "has been idle") and execute(client, "return x").result == "7"


def test_an_isolated_kernel_is_stopped_when_its_client_is_long_gone(fleet_of):
    fleet, connect = fleet_of(PLAIN + "[limits]\nlinger_ms = 100\nabandoned_after_ms = 500\n")
    connect(group="kept").stop_channels()
    client = connect(isolated=True)
    assert first_of(client, "me") == "me" and len(fleet.kernel_processes()) == 2
    client.stop_channels()
    wait_until(lambda: len(fleet.kernel_processes()) == 1, 20, "the isolated kernel to end")
    assert first_of(connect(group="kept"), "late") == "late"


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_fifty_kernels_start_at_once(fleet_of, transport):
    fleet, connect = fleet_of(f"{PLAIN}transport = {json.dumps(transport)}\n")
    clients = [connect(ready=False, group=f"g{number}") for number in range(50)]
    asked = [(client, client.execute("return 6 * 7")) for client in clients]
    assert [finish(client, msg_id, 60).result for client, msg_id in asked] == ["42"] * 50
    ports = [kernel["port"] for kernel in fleet.registry()["kernels"]]
    assert len(ports) == 50 and (transport == "ipc" or len(set(ports)) == 50)
