"""Serve is killed under a running notebook. Its kernels go on without it; the notebook waits for the next serve."""

import pytest
from nbclient.exceptions import CellExecutionError

from harness import kernelspecs
from harness.gate import ticks
from harness.running_notebook import STEP_SECONDS, running, until
from harness.takeover import STEPS, start_and_kill_at

pytestmark = pytest.mark.proxy_only

PATIENCE_SECONDS = 2
REMEMBERS = "x, 'the kernel is the same'"


async def restart(fleet):
    """Starts the next serve, and waits until it publishes, while the notebook goes on."""
    fleet.published_file.unlink(missing_ok=True)
    fleet.launch()
    await until(fleet.published_file.exists, STEP_SECONDS, lambda: f"serve\n{fleet.report()}")


def end(fleet, how):
    """Ends serve, and leaves its kernels."""
    if how == "killed":
        return fleet.kill()
    fleet.process.terminate()
    assert fleet.exit_code() == 0


def clients(fleet):
    """How many clients each kernel has."""
    return [kernel["clients"] for kernel in fleet.answer("list")]


def results(notebook):
    """What each cell printed, or its result."""
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    return [output.text if output.output_type == "stream" else output.data["text/plain"] for output in outputs]


async def until_it_ticks(notebook, since=-1):
    """Waits until the ticking cell is heard, with a later tick than `since`; returns the last one."""
    await until(lambda: ticks(notebook.said)[-1:] > [since], STEP_SECONDS, lambda: f"a tick after {since}: {notebook.said}")
    return ticks(notebook.said)[-1]


async def until_it_is_heard_again(notebook):
    """Waits for a tick that the next serve has carried: the last one's are all here by now."""
    await until_it_ticks(notebook, since=ticks(notebook.said)[-1])


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_cell_that_runs_on_is_heard_again_and_finished(lasting_fleet, kernelspec, gate, how):
    async with running(kernelspec, "x = 21", gate.ticking_cell(), REMEMBERS, coalesce_streams=True) as notebook:
        await until_it_ticks(notebook)
        end(lasting_fleet, how)
        await restart(lasting_fleet)
        await until_it_is_heard_again(notebook)
        gate.open()
        printed, remembered = results(await notebook.end())
    assert printed.endswith("done\n") and remembered == "(21, 'the kernel is the same')"
    assert ticks(printed) == sorted(set(ticks(printed))), "each is heard once, in order"


async def test_serve_may_be_killed_again_and_again(lasting_fleet, kernelspec, gate):
    async with running(kernelspec, "x = 21", gate.ticking_cell(), REMEMBERS, coalesce_streams=True) as notebook:
        for _ in range(3):
            await until_it_ticks(notebook)
            end(lasting_fleet, "killed")
            await restart(lasting_fleet)
            await until_it_is_heard_again(notebook)
        gate.open()
        printed, remembered = results(await notebook.end())
    assert printed.endswith("done\n") and remembered == "(21, 'the kernel is the same')"


async def test_serve_may_be_killed_before_anybody_has_come_back(lasting_fleet, kernelspec, gate):
    async with running(kernelspec, "x = 21", gate.ticking_cell(), REMEMBERS, coalesce_streams=True) as notebook:
        await until_it_ticks(notebook)
        for _ in range(3):
            end(lasting_fleet, "killed")
            await restart(lasting_fleet)
        await until_it_is_heard_again(notebook)
        gate.open()
        printed, remembered = results(await notebook.end())
    assert printed.endswith("done\n") and remembered == "(21, 'the kernel is the same')"


async def test_a_cell_that_ends_while_nobody_serves_says_that_its_reply_is_lost(lasting_fleet, kernelspec, gate):
    ended = lasting_fleet.home.working_dir / "ended"
    cell = gate.cell(f"x = 42; open({str(ended)!r}, 'w').close()")
    async with running(kernelspec, cell, REMEMBERS, allow_errors=True) as notebook:
        await notebook.until_said("runs")
        end(lasting_fleet, "killed")
        gate.open()
        await until(ended.exists, STEP_SECONDS, lambda: "the cell to end")
        await restart(lasting_fleet)
        finished = await notebook.end()
    (error,) = notebook.errors
    assert error.ename == "FleetRestarted"
    assert finished.cells[1].outputs[0].data["text/plain"] == "(42, 'the kernel is the same')"


async def test_a_cell_sent_while_nobody_serves_runs_with_the_next_serve(lasting_fleet, kernelspec, gate):
    """nbclient sends a cell when the one before is answered, so a person's second notebook is the one that finds nobody."""
    async with running(kernelspec, "x = 21", gate.ticking_cell()) as first:
        await until_it_ticks(first)
        end(lasting_fleet, "killed")
        async with running(kernelspec, REMEMBERS) as second:
            await restart(lasting_fleet)
            await until_it_is_heard_again(first)
            await until(lambda: clients(lasting_fleet) == [2], STEP_SECONDS, lambda: "both notebooks on one kernel")
            gate.open()
            assert results(await second.end()) == ["(21, 'the kernel is the same')"]


async def test_the_cell_fails_when_no_serve_comes_back(lasting_fleet, group, gate):
    impatient = kernelspecs.install(lasting_fleet, group, [f"--patience={PATIENCE_SECONDS}"])
    async with running(impatient, gate.cell(), timeout=None) as notebook:
        await notebook.until_said("runs")
        end(lasting_fleet, "killed")
        with pytest.raises(CellExecutionError) as failure:
            await notebook.end()
    assert failure.value.ename == "FleetLost"
    assert str(lasting_fleet.published_file) in failure.value.evalue and "jupyter-fleet serve" in failure.value.evalue


async def test_without_a_fleet_the_first_cell_says_how_to_start_one(lasting_fleet, kernelspec):
    end(lasting_fleet, "stopped")
    async with running(kernelspec, "1") as notebook:
        with pytest.raises(CellExecutionError) as failure:
            await notebook.end()
    assert failure.value.ename == "NoFleet"
    assert "no fleet is running" in failure.value.evalue and "jupyter-fleet serve" in failure.value.evalue


async def test_serve_may_be_killed_at_each_step_of_taking_up_a_busy_kernel(lasting_fleet, kernelspec, gate):
    async with running(kernelspec, "x = 21", gate.ticking_cell(), REMEMBERS, coalesce_streams=True) as notebook:
        await until_it_ticks(notebook)
        end(lasting_fleet, "killed")
        for step in STEPS:
            start_and_kill_at(lasting_fleet, step)
        await restart(lasting_fleet)
        await until_it_is_heard_again(notebook)
        assert "cannot be talked to" not in lasting_fleet.stderr, lasting_fleet.report()
        gate.open()
        printed, remembered = results(await notebook.end())
    assert printed.endswith("done\n") and remembered == "(21, 'the kernel is the same')"
