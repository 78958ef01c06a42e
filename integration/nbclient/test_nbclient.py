"""nbclient runs a notebook over the published file and gets what it gets from a kernel of its own."""

import asyncio

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from harness.existing_kernel import notebook, run

CELLS = [
    "x = 21\nprint('a line')",
    "import sys\nprint('to stderr', file=sys.stderr)",
    "x * 2",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))\nhandle = display('first', display_id=True)",
    "handle.update('second')",
    "for number in range(500): print(number)",
    "raise ValueError('as planned')",
]


def outputs(finished):
    """The outputs that do not name a process or a moment."""
    kept = []
    for cell in finished.cells:
        kept.append([{name: value for name, value in output.items() if name != "traceback"} for output in cell.outputs])
    return kept


async def test_outputs_equal_those_of_a_kernel_of_its_own(fleet, group):
    needs = {"group": group}
    through = await run(fleet.connection_file(needs), needs, *CELLS, allow_errors=True, coalesce_streams=True)
    own = NotebookClient(notebook(*CELLS), timeout=60, kernel_name="python3", allow_errors=True, coalesce_streams=True)
    assert outputs(through) == outputs(await own.async_execute())
    assert outputs(through)[2][0]["data"]["text/plain"] == "42"
    assert through.metadata["language_info"]["name"] == "python"


async def test_an_error_stops_the_notebook(fleet, group):
    needs = {"group": group}
    with pytest.raises(CellExecutionError, match="stop here"):
        await run(fleet.connection_file(needs), needs, "raise ValueError('stop here')", "print('never')")


async def test_three_notebooks_at_once_on_three_kernels(fleet, group):
    needs = [{"group": f"{group}-{number}"} for number in range(3)]
    finished = await asyncio.gather(
        *(run(fleet.connection_file(each), each, f"x = {number}", "print(x)") for number, each in enumerate(needs))
    )
    assert [outputs(each)[1][0]["text"] for each in finished] == ["0\n", "1\n", "2\n"]
