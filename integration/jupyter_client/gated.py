"""A Python kernel that comes up when the test says so: how to be in the middle of a start without guessing its time."""

import json
import sys

import psutil

from harness.home import CONFIG

WAIT_AND_START = f'until [ -e "$HOME/gate" ]; do sleep 0.02; done; exec {sys.executable} -m ipykernel_launcher -f "$0"'
GATED_CONFIG = f"""{CONFIG}
[runtimes.gated]
argv = ["sh", "-c", {json.dumps(WAIT_AND_START)}, "{{connection_file}}"]
language = "python"
"""


class Gate:
    """The gate of all gated kernels of one fleet; closed at first."""

    def __init__(self, fleet):
        self._fleet = fleet
        self._file = fleet.home.path / "gate"

    def open(self):
        self._file.touch()

    def close(self):
        self._file.unlink()

    def waiting(self):
        """The pids of the kernels that wait; each keeps its pid when it comes up."""
        return [process.pid for process in self._fleet.kernel_processes() if self._waits(process)]

    @staticmethod
    def _waits(process):
        try:
            return process.name() == "sh"
        except psutil.NoSuchProcess:
            return False
