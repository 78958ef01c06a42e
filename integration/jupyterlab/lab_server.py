"""One running JupyterLab, in the home of a fleet."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid

from harness import processes
from harness.deadline import wait_until

START_SECONDS = 60
STOP_SECONDS = 20
ANSWER_SECONDS = 10
LOG_TAIL_CHARACTERS = 8_000

# What the published file calls its kernel.
EXTERNAL = "fleet"

# JupyterLab asks the network for news otherwise.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


class Lab:
    """`jupyter lab` with the flags of the README; notebooks are in `directory`."""

    def __init__(self, fleet):
        home = fleet.home
        self.directory = home.working_dir / "notebooks"
        self.directory.mkdir()
        self._runtime_dir = home.runtime_dir
        self._log = home.path / "jupyterlab.log"
        self._tag = uuid.uuid4().hex
        self.environment = fleet.environment | {
            "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",
            processes.TAG: self._tag,
        }
        settings = home.config_dir / "lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
        self.process = None
        self._server = {}

    def start(self):
        """Starts the server and returns once it answers."""
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                    *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={self.directory}"),
                    "--ServerApp.allow_external_kernels=True",
                    f"--ServerApp.external_connection_dir={self._runtime_dir / 'external_kernels'}",
                    "--LabApp.expose_app_in_browser=True",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.environment,
            )
        wait_until(self._is_ready, START_SECONDS, lambda: f"JupyterLab to answer\n{self.report()}")
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"JupyterLab ended\n{self.report()}"
        file = self._runtime_dir / f"jpserver-{self.process.pid}.json"
        if not file.exists():
            return False
        try:
            self._server = json.loads(file.read_text())
            return bool(self.ask("api/status"))
        except (OSError, ValueError):
            return False

    @property
    def address(self):
        """The user interface, with the token that opens it."""
        return f"{self._server['url']}lab?token={self._server['token']}"

    def ask(self, path, method="GET"):
        """What the server's REST API answers."""
        request = urllib.request.Request(f"{self._server['url']}{path}", method=method)
        request.add_header("Authorization", f"token {self._server['token']}")
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def external_kernel(self):
        """The id under which the server offers the fleet."""
        (kernel,) = [kernel["id"] for kernel in self.ask("api/kernels") if kernel["name"] == EXTERNAL]
        return kernel

    def end_sessions(self):
        """Shuts down every notebook's kernel, as closing a notebook for good does. Not the fleet as such: jupyter_client does
        not offer a kernel of others again that was shut down, as long as its file is there."""
        for session in self.ask("api/sessions"):
            if session["kernel"]["name"] != EXTERNAL:
                self.ask(f"api/sessions/{session['id']}", method="DELETE")

    def stop(self):
        """SIGTERM, and nothing is left."""
        try:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_SECONDS)
            wait_until(
                lambda: not processes.tagged(self._tag),
                STOP_SECONDS,
                lambda: f"what JupyterLab has started to be gone:\n{processes.describe(processes.tagged(self._tag))}",
            )
        finally:
            self.clear()

    def clear(self):
        """Ends whatever still runs. Asserts nothing."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        processes.end(processes.tagged(self._tag))

    def report(self):
        """What the server said, for a person who reads a failure."""
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:] if self._log.exists() else ""
