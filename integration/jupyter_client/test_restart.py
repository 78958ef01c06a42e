"""Restarts that hurry: a second one while the kernel still starts, and cells sent as soon as the restart is confirmed."""

import pytest
from gated import GATED_CONFIG, Gate

from harness.clients import detach, execute, finish, is_status, next_message, reply_to, request
from harness.deadline import Deadline, wait_until

pytestmark = [pytest.mark.proxy_only, pytest.mark.parametrize("own_fleet", [{"config": GATED_CONFIG}], indirect=True)]


@pytest.fixture
def gate(own_fleet):
    """The gate, open."""
    gate = Gate(own_fleet)
    gate.open()
    return gate


def restart(client):
    """Asks for a restart and waits until it is confirmed."""
    reply = reply_to(client, client.shutdown(restart=True), channel="control")
    assert (reply["content"]["status"], reply["content"]["restart"]) == ("ok", True)


def start_endless_cell(client):
    """Executes a cell that never ends; returns its id once it runs."""
    msg_id = client.execute("import time\nprint('runs', flush=True)\nwhile True: time.sleep(0.1)")
    while True:
        message = client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == msg_id:
            return msg_id


def heard_until_idle(client, msg_ids):
    """The contents on iopub by the request that they belong to, until each of these is idle."""
    heard, idle, deadline = {msg_id: [] for msg_id in msg_ids}, set(), Deadline(30)
    while idle != msg_ids:
        message = next_message(client, "iopub", deadline, lambda: f"idle of all of {msg_ids}")
        msg_id = message["parent_header"].get("msg_id")
        if msg_id in msg_ids:
            heard[msg_id].append(message["content"])
            idle |= {msg_id} if is_status(message, "idle") else set()
    return heard


def test_the_confirmation_on_iopub_is_a_message_of_its_own(gate, connect_own):
    """Clients reject a signature that they have seen, so what is said on two channels is said in two messages."""
    client = connect_own(runtime="gated")
    restart(client)
    deadline = Deadline(30)
    while next_message(client, "iopub", deadline, lambda: "the confirmation")["msg_type"] != "shutdown_reply":
        pass


def test_a_second_restart_leaves_the_starting_process_alone(gate, connect_own):
    client = connect_own(runtime="gated")
    old_process = int(execute(client, "old = 1\nimport os\nos.getpid()").result)
    gate.close()
    restart(client)
    restart(client)
    [process] = wait_until(gate.waiting, 20, "the new process")
    restart(client)
    early = client.execute("new = 5\nimport os\nos.getpid()")
    gate.open()
    done = finish(client, early, seconds=60)
    assert done.result == str(process) != str(old_process)
    assert execute(client, "new, 'old' in globals(), os.getpid()").result == f"(5, False, {process})"


def test_a_cell_sent_at_once_after_a_restart_runs_in_the_new_process(gate, connect_own):
    client = connect_own(runtime="gated")
    old_process = execute(client, "old = 1\nimport os\nos.getpid()").result
    restart(client)
    assert finish(client, client.execute("early = 5"), seconds=60).status == "ok"
    done = execute(client, "import os\nearly, 'old' in globals(), os.getpid() == " + old_process)
    assert done.result == "(5, False, False)"


def test_what_a_restart_cuts_off_is_answered(gate, connect_own):
    client = connect_own(runtime="gated")
    running = start_endless_cell(client)
    queued = client.execute("print('never')")
    # The proxy answers this one itself, and in order: the queued cell is at the kernel before the restart, which comes
    # on another connection and might overtake it.
    assert request(client, "connect_request")["content"]["status"] == "ok"
    restart(client)
    replies = [reply_to(client, msg_id)["content"] for msg_id in (running, queued)]
    assert [(reply["status"], reply.get("ename")) for reply in replies] == [("error", "KernelRestarted")] * 2
    heard = heard_until_idle(client, {running, queued})
    for msg_id in (running, queued):
        assert [content["ename"] for content in heard[msg_id] if "ename" in content] == ["KernelRestarted"]
        assert "never\n" not in [content.get("text") for content in heard[msg_id]]
    assert execute(client, "1 + 1", seconds=60).result == "2"


def test_a_kernel_can_be_stopped_while_it_restarts(own_fleet, gate, connect_own):
    """The last client leaves before the old process has ended: nothing is brought up for nobody."""
    client = connect_own(runtime="gated")
    assert execute(client, "1").status == "ok"
    restart(client)
    detach(client)

    def is_gone():
        files = set(own_fleet.home.runtime_dir.rglob("kernel-*.json")) - {own_fleet.published_file}
        return not files and not own_fleet.kernel_processes()

    wait_until(is_gone, 15, "the kernel and its connection file to be gone")
