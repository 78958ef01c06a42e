"""A kernel in the middle of a long cell: it counts as busy until that very cell is done."""

import pytest

from harness.clients import execute, is_status, next_message, reply_to, request
from harness.deadline import Deadline, wait_until


def hears_idle_of(client, msg_id):
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: f"idle of {msg_id}")
        if message["parent_header"].get("msg_id") == msg_id and is_status(message, "idle"):
            return


@pytest.mark.proxy_only
def test_a_control_request_does_not_end_the_busy_state_of_a_cell(connect, group):
    """A plain kernel answers kernel_info only after the cell; the proxy must not take its control channel's idle for the cell's."""
    worker, visitor = connect(group=group), connect(group=group)
    assert execute(worker, "import os; os.getpid()").result == execute(visitor, "import os; os.getpid()").result
    cell = worker.execute("import time\nprint('runs', flush=True)\ntime.sleep(60)")
    while next_message(worker, "iopub", Deadline(30), lambda: "the cell to run")["msg_type"] != "stream":
        pass
    answer = request(worker, "usage_request", channel="control")
    hears_idle_of(worker, answer["parent_header"]["msg_id"])

    for _ in range(3):
        assert reply_to(visitor, visitor.kernel_info(), seconds=20)["content"]["implementation"] == "ipython"
    assert not worker.shell_channel.socket.poll(0), "the cell ended too early to prove anything"
    request(worker, "interrupt_request", channel="control")
    assert reply_to(worker, cell)["content"]["ename"] == "KeyboardInterrupt"
    # For a moment after an interrupt, ipykernel aborts whatever comes.
    wait_until(lambda: execute(visitor, "1").status == "ok", 20, "the kernel to run cells again")
