"""The process that stands for the kernel is killed: to its host the kernel is dead, in the fleet it goes on."""

import os
import signal

import pytest
from nbclient.exceptions import DeadKernelError
from restarted import RestartedKernel

from harness import kernelspecs
from harness.clients import execute, new_client
from harness.running_notebook import STEP_SECONDS, running, until

DETACHED_SECONDS = 20


async def test_nbclient_says_that_the_kernel_died(lasting_fleet, kernelspec, gate):
    async with running(kernelspec, "x = 1", gate.cell(), timeout=None) as notebook:
        await notebook.until_said("runs")
        os.kill(notebook.kernel_process, signal.SIGKILL)
        with pytest.raises(DeadKernelError, match="^Kernel died$"):
            await notebook.end()


@pytest.mark.proxy_only
async def test_the_cell_goes_on_in_the_fleet(lasting_fleet, kernelspec, group, gate):
    async with running(kernelspec, "x = 1", gate.cell("x = 2"), timeout=None) as notebook:
        await notebook.until_said("runs")
        os.kill(notebook.kernel_process, signal.SIGKILL)
        with pytest.raises(DeadKernelError):
            await notebook.end()
    await until(lambda: clients(lasting_fleet) == [0], DETACHED_SECONDS, lambda: f"no client: {lasting_fleet.answer('list')}")
    gate.open()
    other = new_client(lasting_fleet.published_file, {"group": group})
    other.start_channels()
    try:
        assert execute(other, "x", seconds=STEP_SECONDS).result == "2"
    finally:
        other.stop_channels()


def clients(fleet):
    return [kernel["clients"] for kernel in fleet.answer("list") if not kernel["reserve"]]


@pytest.mark.proxy_only
@pytest.mark.parametrize("wishes", [[], ["--isolated"]])
async def test_a_host_that_restarts_its_kernels_finds_the_variables_again(lasting_fleet, group, wishes):
    """As jupyter_server does it: it sees within 3 s that the process is gone, and starts one on the same connection file."""
    async with RestartedKernel(kernelspecs.install(lasting_fleet, group, wishes)) as kernel:
        await kernel.run("x = 21")
        await kernel.until_restarted(before=kernel.kill())
        assert kernel.restarts == ["restart"]
        assert (await kernel.run("x * 2")).result == "42"
        assert clients(lasting_fleet) == [1]


async def test_a_host_that_restarts_its_kernels_can_run_the_next_cell(kernelspec, gate):
    async with RestartedKernel(kernelspec) as kernel:
        kernel.send(gate.cell())
        await kernel.until_said("runs")
        before = kernel.kill()
        gate.open()
        await kernel.until_restarted(before)
        assert (await kernel.run("6 * 7")).result == "42"
