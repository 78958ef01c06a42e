"""Cells of the kernels that clients share here, in each one's language."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """A cell that does nothing much, one that takes a moment, and one that fails."""

    work: str
    pause: str
    fail: str


CELLS = {
    "python3": Cells("1", "import time; time.sleep(0.5)", "1 / 0"),
    "bash": Cells("true", "sleep 0.5", "(exit 3)"),
    "lua": Cells("return 1", "local t = os.time() while os.time() < t + 1 do end", "error('no')"),
    "deno": Cells("1", "await new Promise((done) => setTimeout(done, 500))", "throw new Error('no')"),
}
