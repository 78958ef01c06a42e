"""A kernel that two clients share with a console: what the person at the console sees of what the others do."""

import os
import signal

import pytest

from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only


@pytest.fixture
def two_and_a_console(connect_process, console, group, fleet):
    """Two clients and a console, all on one kernel."""
    needs = {"group": group, "runtime": "python3"}
    one, other = connect_process(**needs), connect_process(**needs)
    one.ready()
    other.ready()
    terminal = console("--simple-prompt", "--no-confirm-exit", **needs)
    terminal.prompt()
    return one, other, terminal


def process_of(client):
    return int(client.execute("import os; os.getpid()")["result"])


def pid_at(terminal):
    return int(terminal.run("import os; print('pid', '=', os.getpid())").split("pid = ")[1].split()[0])


def start_cell(terminal, tmp_path):
    """Types a cell that takes a minute; returns once it runs."""
    sign = tmp_path / "runs"
    terminal.child.sendline(f"import time; open({str(sign)!r}, 'w').close(); time.sleep(60); print('to the' + ' end')")
    wait_until(sign.exists, 30, "the cell to run")


def test_a_kernel_killed_by_somebody_is_explained_at_the_console_and_its_next_line_runs(two_and_a_console, tmp_path):
    one, other, terminal = two_and_a_console
    old = process_of(one)
    assert pid_at(terminal) == old
    start_cell(terminal, tmp_path)

    os.kill(old, signal.SIGKILL)
    shown = terminal.prompt()

    assert "to the end" not in shown
    assert "KernelDied" in shown and "signal 9 (SIGKILL)" in shown and "its variables are lost" in shown, shown
    new = pid_at(terminal)
    assert new != old
    assert process_of(one) == process_of(other) == new
    terminal.leave()


def test_whoever_has_a_cell_at_the_console_is_told_who_restarted_the_kernel(two_and_a_console, tmp_path):
    one, other, terminal = two_and_a_console
    old = process_of(one)
    start_cell(terminal, tmp_path)

    other.command("restart", username="berta")
    shown = terminal.prompt()

    assert "is restarted by berta]" in shown and "KernelRestarted" in shown, shown
    assert "to the end" not in shown
    new = pid_at(terminal)
    assert new != old
    assert process_of(one) == process_of(other) == new
    terminal.leave()


def test_the_console_hears_nothing_of_who_leaves(two_and_a_console):
    one, other, terminal = two_and_a_console
    terminal.run("kept = 'since the beginning'")
    for client in (one, other):
        assert client.command("shut_down")["status"] == "ok"
    shown = terminal.run("print(kept)")
    assert "since the beginning" in shown
    assert "shut" not in shown.lower() and "restart" not in shown.lower(), shown
    terminal.leave()
