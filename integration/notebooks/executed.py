"""Runs a stored notebook as people do in scripts: with nbclient's command, and with papermill's."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

HERE = Path(__file__).parent
RUN_SECONDS = 90  # nbclient and papermill wait 60 s for a kernel


@dataclass
class Executed:
    """What came of a run: the program's exit code, and the notebook that it wrote."""

    exit_code: int
    notebook: nbformat.NotebookNode


def by_nbclient(name, kernelspec, fleet):
    """`jupyter execute`."""
    output = fleet.home.working_dir / f"nbclient-{kernelspec}-{name}"
    return run(fleet, output, "jupyter_core.command", "execute", HERE / name, f"--kernel_name={kernelspec}", f"--output={output}")


def by_papermill(name, kernelspec, fleet, **parameters):
    """`papermill`, which ends with 1 if any cell shows an error, also an expected one."""
    output = fleet.home.working_dir / f"papermill-{kernelspec}-{name}"
    options = [part for item in parameters.items() for part in ("-p", *map(str, item))]
    return run(fleet, output, "papermill", HERE / name, output, "-k", kernelspec, "--no-progress-bar", *options)


def run(fleet, output, module, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        env=fleet.environment,
        cwd=fleet.home.working_dir,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert output.exists(), done.stderr
    return Executed(done.returncode, nbformat.read(output, as_version=4))
