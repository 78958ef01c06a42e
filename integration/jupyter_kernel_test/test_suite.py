"""Every test of jupyter_kernel_test that ipykernel passes directly, it passes through the proxy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.direct import DirectKernels

SUITE = Path(__file__).with_name("ipykernel_suite.py")
SUITE_SECONDS = 100


def outcomes(connection_file, environment, needs=None):
    arguments = [str(connection_file)] + ([json.dumps(needs)] if needs else [])
    finished = subprocess.run(
        [sys.executable, str(SUITE), *arguments], env=environment, capture_output=True, text=True, timeout=SUITE_SECONDS
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def passed(results):
    return {name for name, outcome in results.items() if outcome == "passed"}


@pytest.mark.timeout(240)
def test_what_passes_directly_passes_through_the_proxy(fleet, binary, group, capsys):
    plain = DirectKernels(binary)
    try:
        directly = outcomes(plain.connection_file(), plain.environment)
    finally:
        plain.stop()
    needs = {"group": group}
    through = outcomes(fleet.connection_file(needs), fleet.environment, needs)
    with capsys.disabled():
        failing = {name: outcome.strip().splitlines()[-1] for name, outcome in directly.items() if outcome != "passed"}
        print(f"\njupyter_kernel_test on a plain ipykernel: {len(passed(directly))} passed; others: {failing}")
    assert len(passed(directly)) >= 10, directly
    assert {name: through.get(name) for name in passed(directly) - passed(through)} == {}
