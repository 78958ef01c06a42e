"""Restart, end, and what they leave: VS Code kills the process of its kernel, and starts another one where it needs one."""

import psutil
import pytest

from harness.deadline import wait_until

# VS Code sends SIGTERM; when it is killed itself, or the machine is short of memory, nobody is asked.
SIGNALS = pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
FLEET_SECONDS = 20  # what a fleet may take to see that a client has gone
PROCESS_SECONDS = 10
RESTART_SECONDS = 60


def kernel_of(fleet, group):
    """The one kernel of this group, as `jupyter-fleet list` tells it."""
    (kernel,) = [kernel for kernel in fleet.answer("list") if kernel["group"] == group]
    return kernel


def kernels_of(fleet, group):
    return [kernel for kernel in fleet.answer("list") if kernel["group"] == group]


def clients_become(fleet, group, count):
    wait_until(
        lambda: kernel_of(fleet, group)["clients"] == count,
        FLEET_SECONDS,
        lambda: f"{count} clients: {fleet.answer('list')}",
    )


def connections(fleet):
    """How many connections serve has with its clients."""
    return len(psutil.Process(fleet.process.pid).net_connections("tcp4"))


@SIGNALS
def test_a_restart_is_another_process_on_other_ports(window, signal):
    before = window.kernel_process()
    ports = window.ports()
    assert window.restart(signal)["implementation"] == "ipython"
    after = window.kernel_process()
    assert before["pid"] != after["pid"] and before["info"]["key"] != after["info"]["key"]
    assert set(ports).isdisjoint(window.ports()) and window.accepting(ports) == []
    assert window.run("1 + 1").result == "2"


@SIGNALS
def test_the_end_leaves_no_process_and_no_port(window, signal):
    ports = window.ports()
    assert len(window.accepting(ports)) == 5
    window.shutdown(signal)
    wait_until(lambda: not window.children(), PROCESS_SECONDS, lambda: f"the end of {window.children()}")
    assert window.accepting(ports) == []


@SIGNALS
@pytest.mark.proxy_only
def test_a_restart_begins_without_variables(window, fleet, group, signal):
    window.run("x = 21")
    before = kernel_of(fleet, group)
    window.restart(signal)
    assert window.run("'x' in globals()").result == "False"
    wait_until(lambda: len(kernels_of(fleet, group)) == 1, FLEET_SECONDS, lambda: f"one kernel: {fleet.answer('list')}")
    assert kernel_of(fleet, group)["pid"] != before["pid"]
    clients_become(fleet, group, 1)


@SIGNALS
@pytest.mark.proxy_only
def test_the_end_leaves_no_kernel(open_window, fleet, group, signal):
    first = open_window(group)
    first.run("x = 21")
    first.shutdown(signal)
    wait_until(lambda: not kernels_of(fleet, group), FLEET_SECONDS, lambda: f"no kernel: {fleet.answer('list')}")


@SIGNALS
@pytest.mark.proxy_only
def test_a_kernel_that_another_window_uses_lives_on(open_window, fleet, group, signal):
    first, second = open_window(group), open_window(group)
    first.run("x = 21")
    assert second.run("x * 2").result == "42"
    before = kernel_of(fleet, group)
    first.shutdown(signal)
    clients_become(fleet, group, 1)
    assert kernel_of(fleet, group)["pid"] == before["pid"]
    assert second.run("x * 2").result == "42"


@pytest.mark.proxy_only
def test_many_restarts_leave_one_client_and_one_process(window, fleet, group):
    before = connections(fleet)
    for number in range(5):
        window.run(f"x{number} = {number}")
        window.restart()
    assert window.run("6 * 7").result == "42"
    wait_until(lambda: len(kernels_of(fleet, group)) == 1, FLEET_SECONDS, lambda: f"one kernel: {fleet.answer('list')}")
    clients_become(fleet, group, 1)
    wait_until(lambda: len(window.children()) == 1, PROCESS_SECONDS, lambda: f"one process: {window.children()}")
    wait_until(lambda: connections(fleet) <= before, FLEET_SECONDS, lambda: f"{connections(fleet)} connections, at first {before}")


@pytest.mark.proxy_only
def test_a_fresh_kernel_is_asked_for_in_a_cell(window, fleet, group):
    window.run("x = 21")
    before = kernel_of(fleet, group)
    assert window.run("%fleet restart", seconds=RESTART_SECONDS).reply["status"] == "ok"
    assert window.run("'x' in globals()", seconds=RESTART_SECONDS).result == "False"
    after = kernel_of(fleet, group)
    assert after["id"] == before["id"] and after["pid"] != before["pid"]
