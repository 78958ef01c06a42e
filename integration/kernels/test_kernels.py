"""Kernels of other people: info, output, error, and interrupt where the kernel can be interrupted."""

from dataclasses import dataclass

import pytest

from harness.clients import execute, execute_for_stdout, next_message, plain, reply_to, request
from harness.deadline import Deadline, wait_until


@dataclass(frozen=True)
class Speech:
    """How to say the same things in a kernel's language."""

    language: str
    hello: str
    fail: str
    complaint: str
    endless: str = ""


PYTHON = Speech(
    "python", "print('hello, world')", "raise ValueError('no luck')", "no luck",
    "import itertools\nprint('started', flush=True)\nfor _ in itertools.count(): pass",
)
LUA = Speech("lua", "print('hello, world')", "error('no luck')", "no luck", "print('started')\nwhile true do end")
BASH = Speech("bash", "echo hello, world", "(exit 3)", "3", "echo started; while true; do :; done")
DENO = Speech("typescript", "console.log('hello, world')", "throw new Error('no luck')", "no luck")
SPEECH = {
    "python3": PYTHON,
    "python-tcp": PYTHON,
    "python-ipc": PYTHON,
    "announced": PYTHON,
    "lua": LUA,
    "ilua": LUA,
    "bash": BASH,
    "deno": DENO,
}
every_kernel = pytest.mark.parametrize("runtime", SPEECH)


@every_kernel
def test_kernel_info_is_of_the_runtime_that_was_asked_for(connect, group, runtime):
    client = connect(group=group, runtime=runtime)
    content = reply_to(client, client.kernel_info())["content"]
    assert content["language_info"]["name"] == SPEECH[runtime].language


@every_kernel
def test_output(connect, group, runtime):
    says_hello(connect(group=group, runtime=runtime), runtime)


def says_hello(client, runtime):
    if runtime == "deno":
        assert execute_for_stdout(client, DENO.hello, "hello, world\n").status == "ok"
        return
    # ipykernel aborts what comes in the moments after a cell that failed.
    done = wait_until(lambda: not_aborted(execute(client, SPEECH[runtime].hello)), 30, "a cell that is not aborted")
    assert (done.status, done.stream().split()) == ("ok", ["hello,", "world"])


def not_aborted(done):
    return None if done.status == "aborted" else done


@every_kernel
def test_error(connect, group, runtime):
    client = connect(group=group, runtime=runtime)
    done = execute(client, SPEECH[runtime].fail)
    assert done.status == "error"
    assert SPEECH[runtime].complaint in plain(done.error["evalue"] + "\n".join(done.error["traceback"]))
    assert done.reply["content"]["evalue"] == done.error["evalue"]


@every_kernel
def test_the_kernel_lives_on_after_an_error(connect, group, runtime):
    client = connect(group=group, runtime=runtime)
    execute(client, SPEECH[runtime].fail)
    says_hello(client, runtime)


@pytest.mark.parametrize("runtime", ["python3", "python-tcp", "python-ipc", "announced", "lua"])
def test_an_interrupt_request_ends_an_endless_cell(connect, group, runtime):
    client = connect(group=group, runtime=runtime)
    msg_id = client.execute(SPEECH[runtime].endless)
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: "`started`")
        if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == msg_id:
            break
    assert request(client, "interrupt_request", channel="control")["content"]["status"] == "ok"
    assert reply_to(client, msg_id)["content"]["status"] == "error"
    says_hello(client, runtime)
