"""A kernel's own connection file, as `jupyter-fleet connect` makes it."""

import subprocess
from pathlib import Path

CONNECT_SECONDS = 30


def kernels(fleet):
    """The ids of the fleet's kernels."""
    return {file.stem.removeprefix("kernel-") for file in fleet.home.runtime_dir.glob(".fleet/kernel-*.json")}


def own_file(fleet, kernel):
    """Opens the kernel's own connection file and returns its path."""
    opened = subprocess.run(
        [fleet.binary, "connect", kernel],
        env=fleet.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=CONNECT_SECONDS,
    )
    return Path(opened.stdout.strip())
