"""All that a client hears of its kernel comes in one session, also what the fleet says: JupyterLab takes a message of another session
than the latest for one of an earlier process, and leaves out what it says of the kernel."""

import pytest

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline
from harness.gate import Gate
from harness.magics import finish_all

pytestmark = pytest.mark.proxy_only


def sessions(messages):
    return {message["header"]["session"] for message in messages}


def test_of_cells_pages_errors_and_what_is_aborted(connect, group):
    client = connect(group=group)
    first = execute(client, "1")
    [kernels] = sessions([first.reply, *first.messages])
    assert kernels != client.session.session
    failed = client.execute("import time; time.sleep(.5); 1 / 0"), client.execute("2")
    done = finish_all(client, list(failed)).done
    done += [execute(client, "%fleet"), execute(client, "%fleet nonsense"), execute(client, "%%fleet runtime=nonsense")]
    assert [each.status for each in done] == ["error", "aborted", "ok", "error", "error"]
    for each in done:
        assert sessions([each.reply, *each.messages]) == {kernels}
    info = request(client, "kernel_info_request")
    assert sessions([info, request(client, "interrupt_request", channel="control")]) == {kernels}


def test_of_what_is_told_to_those_who_wait(connect, group, fleet):
    busy, other = connect(group=group), connect(group=group)
    [kernels] = sessions(execute(busy, "1").messages)
    gate = Gate(fleet.home, f"session-{group}")
    running = busy.execute(gate.cell())
    request(busy, "connect_request")
    waits = other.execute("2")
    deadline, heard = Deadline(30), []
    while not (heard and heard[-1]["content"].get("name") == "stderr"):
        heard.append(next_message(other, "iopub", deadline, lambda: "a line on stderr"))
    gate.open()
    done = finish(other, waits)
    assert sessions([*done.messages, heard[-1], done.reply]) == {kernels}
    assert reply_to(busy, running)["content"]["status"] == "ok"
