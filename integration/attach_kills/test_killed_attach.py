"""The process that stands for the kernel is killed, while the host lives on: its kernel ends, unless others use it."""

import os
import signal

import pytest
from nbclient.exceptions import DeadKernelError
from restarted import RestartedKernel

from harness import kernelspecs
from harness.clients import finish, new_client
from harness.running_notebook import STEP_SECONDS, running, until

ENDED_SECONDS = 20


async def test_nbclient_says_that_the_kernel_died(lasting_fleet, kernelspec, gate):
    async with running(kernelspec, "x = 1", gate.cell(), timeout=None) as notebook:
        await notebook.until_said("runs")
        os.kill(notebook.kernel_process, signal.SIGKILL)
        with pytest.raises(DeadKernelError, match="^Kernel died$"):
            await notebook.end()


@pytest.mark.proxy_only
async def test_the_kernel_ends_with_it(lasting_fleet, kernelspec, gate):
    async with running(kernelspec, "x = 1", gate.cell("x = 2"), timeout=None) as notebook:
        await notebook.until_said("runs")
        os.kill(notebook.kernel_process, signal.SIGKILL)
        with pytest.raises(DeadKernelError):
            await notebook.end()
    await until(lambda: clients(lasting_fleet) == [], ENDED_SECONDS, lambda: f"no kernel: {lasting_fleet.answer('list')}")


@pytest.mark.proxy_only
async def test_a_cell_of_a_kernel_that_others_use_goes_on(lasting_fleet, kernelspec, group, gate):
    other = new_client(lasting_fleet.published_file, {"group": group})
    other.start_channels()
    try:
        async with running(kernelspec, "x = 1", gate.cell("x = 2"), timeout=None) as notebook:
            await notebook.until_said("runs")
            other.kernel_info()
            waits = other.execute("x")
            os.kill(notebook.kernel_process, signal.SIGKILL)
            with pytest.raises(DeadKernelError):
                await notebook.end()
        await until(lambda: clients(lasting_fleet) == [1], ENDED_SECONDS, lambda: f"one client: {lasting_fleet.answer('list')}")
        gate.open()
        assert finish(other, waits, STEP_SECONDS).result == "2"
    finally:
        other.stop_channels()


def clients(fleet):
    return [kernel["clients"] for kernel in fleet.answer("list") if not kernel["reserve"]]


@pytest.mark.proxy_only
@pytest.mark.parametrize("wishes", [[], ["--isolated"]])
async def test_a_host_that_restarts_its_kernels_begins_anew(lasting_fleet, group, wishes):
    """As jupyter_server does it: it sees within 3 s that the process is gone, and starts one on the same connection file."""
    async with RestartedKernel(kernelspecs.install(lasting_fleet, group, wishes)) as kernel:
        await kernel.run("x = 21")
        await kernel.until_restarted(before=kernel.kill())
        assert kernel.restarts == ["restart"]
        assert (await kernel.run("'x' in globals()")).result == "False"
        await until(lambda: clients(lasting_fleet) == [1], ENDED_SECONDS, lambda: f"one kernel: {lasting_fleet.answer('list')}")


async def test_a_host_that_restarts_its_kernels_can_run_the_next_cell(kernelspec, gate):
    async with RestartedKernel(kernelspec) as kernel:
        kernel.send(gate.cell())
        await kernel.until_said("runs")
        before = kernel.kill()
        gate.open()
        await kernel.until_restarted(before)
        assert (await kernel.run("6 * 7")).result == "42"
