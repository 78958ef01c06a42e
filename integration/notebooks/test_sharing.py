"""Notebooks of one group share a kernel, as everyone in the group does: one of them comes and goes beside the others."""

import asyncio

import pytest

from harness import kernelspecs
from harness.gate import Gate
from harness.running_notebook import STEP_SECONDS, running, until

pytestmark = [pytest.mark.proxy_only, pytest.mark.usefixtures("at_home")]


@pytest.fixture
def gate(fleet, group):
    return Gate(fleet.home, group)


def texts(finished):
    outputs = [output for cell in finished.cells for output in cell.outputs]
    return "".join(output["text"] if output.output_type == "stream" else output["data"]["text/plain"] for output in outputs)


async def test_a_notebook_that_ends_leaves_the_cell_of_another_alone(fleet, group, gate):
    """Jupyter's hosts interrupt their kernel before they shut it down; nobody has asked for the end of the other's cell."""
    kernelspec, may_end = kernelspecs.install(fleet, group), asyncio.Event()

    async def until_it_may_end(**_):
        await may_end.wait()

    async with running(kernelspec, "'short'", on_cell_executed=until_it_may_end) as short:
        await until(lambda: short.cells[0].execution_count, STEP_SECONDS, lambda: "the short notebook to be done")
        async with running(kernelspec, gate.cell(), "'the next cell'") as long:
            await long.until_said("runs")
            may_end.set()
            await short.end()
            gate.open()
            assert texts(await long.end()) == "runs\ndone\n'the next cell'"
