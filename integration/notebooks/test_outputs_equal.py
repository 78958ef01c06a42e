"""Whole notebooks by the programs that people put into scripts: the same through the fleet as with a kernel of their own.

A notebook that counts its cells and finds its variables empty wants a kernel to itself: each run has a group of its own.
"""

import pytest
from comparable import comparable
from executed import by_nbclient, by_papermill

from harness import kernelspecs
from harness.deadline import wait_until

NOTEBOOKS = ["harbour.ipynb", "everything.ipynb", "report.ipynb"]
DIRECTLY = "python3"
END_SECONDS = 20
STOPPED_BY_PAPERMILL = (by_papermill, "everything.ipynb")  # it runs all cells, and then reports the errors that were expected


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@pytest.mark.parametrize("execute", [by_nbclient, by_papermill])
def test_outputs_equal_those_of_a_kernel_of_its_own(fleet, group, execute, notebook):
    through = execute(notebook, kernelspecs.install(fleet, group), fleet)
    own = execute(notebook, DIRECTLY, fleet)
    assert comparable(through.notebook) == comparable(own.notebook)
    assert through.exit_code == own.exit_code == (1 if (execute, notebook) == STOPPED_BY_PAPERMILL else 0)
    assert all(cell.execution_count for cell in through.notebook.cells if cell.cell_type == "code")


def test_papermills_parameters_arrive(fleet, group):
    parameters = {"title": "ten years", "years": 10, "rate": 0.05}
    through = by_papermill("report.ipynb", kernelspecs.install(fleet, group), fleet, **parameters).notebook
    assert through.cells[-1].outputs[0].data["text/plain"] == "244.33"
    assert comparable(through) == comparable(by_papermill("report.ipynb", DIRECTLY, fleet, **parameters).notebook)


@pytest.mark.proxy_only
def test_the_end_of_the_last_notebook_ends_its_kernel(fleet, group):
    """nbclient and papermill shut their kernel down: it is stopped, unless others use it."""
    by_nbclient("report.ipynb", kernelspecs.install(fleet, group), fleet)
    wait_until(lambda: group not in [kernel["group"] for kernel in fleet.answer("list")], END_SECONDS, "the end of its kernel")


@pytest.mark.proxy_only
def test_the_kernel_stays_for_others_when_a_notebook_ends(fleet, group, connect):
    other = connect(group=group)
    other.execute_interactive("kept = 1", timeout=30)
    by_papermill("report.ipynb", kernelspecs.install(fleet, group), fleet)
    reply = other.execute_interactive("kept, balances", timeout=30)
    assert reply["content"]["status"] == "ok"
