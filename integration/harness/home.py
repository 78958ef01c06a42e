"""A private Jupyter home: runtime, config and data directories that no other process looks into."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

KERNELS = Path(__file__).resolve().parent.parent / "kernels"

CONFIG = f"""\
default_runtime = "python3"

# Tests count processes, and are in the middle of starts: what is warm is up to each.
[runtimes.python3]
pool = 0

[runtimes.python-tcp]
kernelspec = "python3"
transport = "tcp"

[runtimes.python-ipc]
kernelspec = "python3"
transport = "ipc"

[runtimes.announced]
argv = [{json.dumps(sys.executable)}, {json.dumps(str(KERNELS / "announced_kernel.py"))}, "--connection-file", "{{connection_file}}"]
connection = "announced"
language = "python"
display_name = "Python that announces its own connection"
"""


class Home:
    """Directories under one short path (an ipc path holds at most 107 bytes), removed by `remove`."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="jf-", dir="/tmp"))
        self.runtime_dir = self._directory("r")
        self.config_dir = self._directory("c")
        self.data_dir = self._directory("d")
        self.working_dir = self._directory("w")
        self.config_file = self.config_dir / "jupyter_fleet.toml"
        self.config_file.write_text(CONFIG)
        for name, kernelspec in kernelspecs().items():
            directory = self.data_dir / "kernels" / name
            directory.mkdir(parents=True)
            (directory / "kernel.json").write_text(json.dumps(kernelspec))

    def _directory(self, name):
        directory = self.path / name
        directory.mkdir(mode=0o700)
        return directory

    @property
    def environment(self):
        """The environment for everything that shall live in this home: serve, kernels and clients."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        return inherited | {
            "HOME": str(self.path),
            "IPYTHONDIR": str(self.path / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime_dir),
            "JUPYTER_CONFIG_DIR": str(self.config_dir),
            "JUPYTER_DATA_DIR": str(self.data_dir),
            "JUPYTER_PATH": str(self.data_dir),
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def remove(self):
        """Removes the directories and all that is in them."""
        shutil.rmtree(self.path, ignore_errors=True)


def kernelspecs():
    """The kernelspecs of the foreign kernels, each with the executables of this very environment."""
    python, beside_python = sys.executable, os.path.dirname(sys.executable)
    deno = shutil.which("deno", path=f"{beside_python}{os.pathsep}{os.environ['PATH']}") or "deno"
    return {
        "python3": {
            "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "metadata": {"debugger": True},
        },
        "python-message": {
            "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python that is interrupted by a message",
            "language": "python",
            "interrupt_mode": "message",
        },
        "bash": {
            "argv": [python, "-m", "bash_kernel", "-f", "{connection_file}"],
            "display_name": "Bash",
            "language": "bash",
            "env": {"PS1": "$"},
        },
        "ilua": {
            "argv": [python, "-m", "ilua.app", "-c", "{connection_file}"],
            "display_name": "ILua",
            "language": "lua",
            "interrupt_mode": "message",
        },
        "deno": {
            "argv": [deno, "jupyter", "--kernel", "--conn", "{connection_file}"],
            "display_name": "Deno",
            "language": "typescript",
        },
    }
