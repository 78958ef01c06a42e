"""A notebook on the clients' side of the network."""

import json
import subprocess
import sys
from pathlib import Path

from harness import kernelspecs

RUN_SECONDS = 60


class Notebook:
    """It runs from the beginning on, on a kernelspec that leads to the fleet."""

    def __init__(self, fleet, network, group, *sources):
        kernelspec = kernelspecs.install(fleet, group)
        script = Path(__file__).with_name("notebook_process.py")
        self._process = subprocess.Popen(
            [*network.client_side, sys.executable, str(script), kernelspec, json.dumps(sources)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=fleet.home.working_dir,
            env=fleet.environment,
        )

    def printed(self):
        """What each cell has printed, or resulted in, once all have run."""
        printed, problems = self._process.communicate(timeout=RUN_SECONDS)
        assert self._process.returncode == 0, problems[-3000:]
        return json.loads(printed)

    def close(self):
        self._process.kill()
        self._process.communicate()
