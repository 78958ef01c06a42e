"""A notebook that nbclient runs in this process, watched while it does."""

import asyncio
import time
from contextlib import asynccontextmanager

import nbformat
from nbclient import NotebookClient

STEP_SECONDS = 60  # nbclient gives a kernel up that is not there after 60 s
INTERVAL_SECONDS = 0.05


class RunningNotebook:
    """A notebook whose cells are running."""

    def __init__(self, kernelspec, sources, **options):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        self.cells = cells
        self.client = NotebookClient(nbformat.v4.new_notebook(cells=cells), kernel_name=kernelspec, **options)
        self._end = asyncio.ensure_future(self.client.async_execute())

    async def until_said(self, text):
        """Waits until a cell has printed this."""
        await until(lambda: text in self.said, STEP_SECONDS, lambda: f"{text!r} in {self.cells}", unless=self._end)

    @property
    def said(self):
        """All that cells have printed."""
        return "".join(output.text for cell in self.cells for output in cell.outputs if output.output_type == "stream")

    @property
    def errors(self):
        return [output for cell in self.cells for output in cell.outputs if output.output_type == "error"]

    @property
    def kernel_process(self):
        """The process that nbclient takes for its kernel."""
        return self.client.km.provisioner.pid

    async def end(self, seconds=STEP_SECONDS):
        """Waits for the end of the run; raises what nbclient raises."""
        return await asyncio.wait_for(asyncio.shield(self._end), seconds)

    async def close(self):
        self._end.cancel()
        await asyncio.gather(self._end, return_exceptions=True)


@asynccontextmanager
async def running(kernelspec, *sources, **options):
    notebook = RunningNotebook(kernelspec, sources, **options)
    try:
        yield notebook
    finally:
        await notebook.close()


async def until(condition, seconds, what, unless=None):
    """Waits for a condition while the notebook goes on; fails at once when `unless` has ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert unless is None or not unless.done(), f"the run ended before {what()}: {unless}"
        assert time.monotonic() < deadline, f"waited {seconds} s for {what()}"
        await asyncio.sleep(INTERVAL_SECONDS)
