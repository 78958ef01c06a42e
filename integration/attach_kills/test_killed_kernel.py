"""The fleet's kernel is killed under a running notebook: the cell says so, and the kernel comes back under the same host."""

import os
import signal

import pytest
from nbclient.exceptions import CellExecutionError
from restarted import RestartedKernel

from harness.running_notebook import running

pytestmark = pytest.mark.proxy_only


def kernel_of(fleet, group):
    (kernel,) = [kernel for kernel in fleet.answer("list") if kernel["group"] == group]
    return kernel


async def test_the_notebook_stops_at_the_cell_that_lost_its_kernel(lasting_fleet, kernelspec, group, gate):
    async with running(kernelspec, gate.cell(), "'not reached'", timeout=None) as notebook:
        await notebook.until_said("runs")
        kernel = kernel_of(lasting_fleet, group)
        os.kill(kernel["pid"], signal.SIGKILL)
        with pytest.raises(CellExecutionError) as failure:
            await notebook.end()
    assert failure.value.ename == "KernelDied"
    assert kernel["id"] in failure.value.evalue and "signal 9" in failure.value.evalue
    (error,) = notebook.errors
    assert (error.ename, error.evalue) == (failure.value.ename, failure.value.evalue)
    assert notebook.cells[1].outputs == []


async def test_a_notebook_that_allows_errors_goes_on_in_a_new_process(lasting_fleet, kernelspec, group, gate):
    async with running(kernelspec, "x = 1", gate.cell(), "'x' in globals()", allow_errors=True) as notebook:
        await notebook.until_said("runs")
        os.kill(kernel_of(lasting_fleet, group)["pid"], signal.SIGKILL)
        finished = await notebook.end()
    assert [error.ename for error in notebook.errors] == ["KernelDied"]
    assert finished.cells[2].outputs[0].data["text/plain"] == "False"


async def test_a_host_that_restarts_its_kernels_is_told_and_has_nothing_to_restart(lasting_fleet, kernelspec, group, gate):
    """As jupyter_server: the process that it watches lives, so what it tells its notebook is what the fleet says."""
    async with RestartedKernel(kernelspec) as kernel:
        host_process = kernel.process
        cell = kernel.send(gate.cell())
        await kernel.until_said("runs")
        os.kill(kernel_of(lasting_fleet, group)["pid"], signal.SIGKILL)
        done = await kernel.finish(cell)
        assert (done.status, done.error["ename"]) == ("error", "KernelDied")
        assert (await kernel.run("1 + 1")).result == "2"
        states = [message["content"]["execution_state"] for message in kernel.heard if message["msg_type"] == "status"]
        assert "restarting" in states and "dead" not in states
        assert (kernel.restarts, kernel.process) == ([], host_process)
