"""Kernels that die, or never come up: whoever waits is told what happened, and the next cell runs."""

import json
import os
import re
import signal
import sys
import time

import pytest

from harness.clients import execute, is_status, next_message, plain, reply_to
from harness.deadline import Deadline
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only

# The requirement itself, not a guess at how fast a machine is: whoever waits is told within a second.
TOLD_SECONDS = 1.0
STILLBORN_CONFIG = f"""{CONFIG}
[runtimes.stillborn]
argv = [{json.dumps(sys.executable)}, "-c", 'print("no luck"); raise SystemExit(3)']
language = "python"
"""


def iopub_until(client, deadline, is_last, what):
    """The iopub messages up to the first for which `is_last` holds."""
    messages = []
    while not (messages and is_last(messages[-1])):
        messages.append(next_message(client, "iopub", deadline, lambda: what))
    return messages


def test_a_kernel_killed_in_the_middle_of_a_cell_is_reported_and_comes_back(own_fleet, connect_own):
    client = connect_own()
    process = int(execute(client, "import os\nlost = 1\nos.getpid()").result)
    [kernel_file] = set(own_fleet.home.runtime_dir.rglob("kernel-*.json")) - {own_fleet.published_file}
    kernel = kernel_file.stem.removeprefix("kernel-")
    msg_id = client.execute("import time\nprint('runs', flush=True)\ntime.sleep(60)")
    iopub_until(client, Deadline(30), lambda message: message["msg_type"] == "stream", "the cell to run")

    begin = time.monotonic()
    os.kill(process, signal.SIGKILL)
    reply = reply_to(client, msg_id)["content"]
    took = time.monotonic() - begin
    assert (reply["status"], reply["ename"]) == ("error", "KernelDied")
    assert kernel in reply["evalue"] and "signal 9 " in reply["evalue"], reply["evalue"]
    assert took < TOLD_SECONDS

    messages = iopub_until(client, Deadline(30), lambda message: is_status(message, "restarting"), "the kernel to restart")
    of_the_cell = [message for message in messages if message["parent_header"].get("msg_id") == msg_id]
    [error] = [message["content"] for message in of_the_cell if message["msg_type"] == "error"]
    assert (error["ename"], error["evalue"]) == (reply["ename"], reply["evalue"])
    assert is_status(of_the_cell[-1], "idle")

    client.session.metadata = {}
    done = execute(client, "import os\n'lost' in globals(), os.getpid() == " + str(process), seconds=60)
    assert done.result == "(False, False)"


@pytest.mark.parametrize("own_fleet", [{"config": STILLBORN_CONFIG}], indirect=True)
def test_a_kernel_that_never_comes_up_is_explained_in_the_cell(own_fleet, connect_own):
    client = connect_own(ready=False, runtime="stillborn")
    done = execute(client, "1", seconds=60)
    assert (done.status, done.reply["content"]["ename"]) == ("error", done.error["ename"])
    text = plain("\n".join(done.error["traceback"]))
    assert done.reply["content"]["evalue"] in text
    assert sys.executable in text and "-c" in text and "raise SystemExit(3)" in text
    assert re.search(r"exit\w* (with )?(code|status) 3\b", text), text
    assert re.search(r"^\W*no luck\W*$", text, re.MULTILINE), text
