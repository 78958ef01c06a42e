"""Cells that run until a test lets them end."""


class Gate:
    """A file for which a cell waits."""

    def __init__(self, home, name="gate"):
        self._file = home.working_dir / name

    def cell(self, then="print('done')"):
        """Prints `runs`, waits until the gate is open, and goes on."""
        wait = f"import os, time\nprint('runs', flush=True)\nwhile not os.path.exists({str(self._file)!r}): time.sleep(0.05)\n"
        return wait + then

    def ticking_cell(self):
        """Prints `tick` and a number again and again until the gate is open, and then `done`."""
        return (
            f"import itertools, os, time\nfor number in itertools.count():\n"
            f"    print('tick', number, flush=True); time.sleep(0.05)\n"
            f"    if os.path.exists({str(self._file)!r}): break\nprint('done')"
        )

    def open(self):
        self._file.touch()


def ticks(text):
    """The numbers of the ticks in what a ticking cell has printed."""
    return [int(line.removeprefix("tick ")) for line in text.splitlines() if line.startswith("tick ")]
