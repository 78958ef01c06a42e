"""A client over zeromq.js, the libzmq binding that VS Code uses."""

import json
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("execute.cjs")
MODULES = Path(__file__).resolve().parents[2] / "target/integration-node/node_modules"


def test_one_routing_id_on_three_channels(fleet, group):
    assert (MODULES / "zeromq").is_dir(), f"{MODULES} is missing: use integration/run"
    needs = {"group": group}
    finished = subprocess.run(
        ["node", str(SCRIPT), str(fleet.connection_file(needs)), json.dumps(needs)],
        env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == {
        "implementation": "ipython",
        "prompt": "name? ",
        "status": "ok",
        "stdout": "hello node\n",
        "result": "42",
    }
