"""One running `jupyter-fleet serve`, in a home of its own."""

import json
import signal
import subprocess
import uuid
from pathlib import Path

from harness import processes
from harness.clients import detach
from harness.deadline import wait_until
from harness.home import Home

START_SECONDS = 20
STOP_SECONDS = 20
COMMAND_SECONDS = 60
LOG_TAIL_CHARACTERS = 8_000
LAST_LINES = 12
LINE_CHARACTERS = 240


class Fleet:
    """Starts on `start`, stops on `stop`; `stop` asserts that nothing is left behind."""

    is_direct = False

    def __init__(self, binary, arguments=(), config=None, environment=None, ephemeral=True, inside=()):
        """`inside` is what goes before the command line of serve: a command that runs it somewhere else."""
        self.binary = binary
        self.ephemeral = ephemeral
        self._inside = inside
        self.home = Home()
        if config is not None:
            self.home.config_file.write_text(config)
        self.environment = self.home.environment
        self._arguments = arguments
        self._extra_environment = environment or {}
        self._tag = uuid.uuid4().hex
        self._stdout = self.home.path / "serve.stdout"
        self._stderr = self.home.path / "serve.stderr"
        self.process = None
        self.published_file = self.home.runtime_dir / "kernel-fleet.json"

    def start(self):
        """Starts serve and returns once it has published its file and says how to connect."""
        self.launch()
        wait_until(self._is_ready, START_SECONDS, lambda: f"serve to be ready\n{self.report()}")
        return self

    def launch(self):
        """Starts serve without waiting for anything."""
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                [*self._inside, self.binary, "serve", *(["--ephemeral"] if self.ephemeral else []), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.home.working_dir,
                env=self.environment | self._extra_environment | {processes.TAG: self._tag},
            )

    def command(self, *arguments, environment=None, seconds=COMMAND_SECONDS):
        """Runs a command of jupyter-fleet where this fleet lives, to its end."""
        return subprocess.run(
            [self.binary, *arguments],
            stdin=subprocess.DEVNULL,
            env=self.environment | (environment or {}),
            cwd=self.home.working_dir,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def answer(self, *arguments):
        """What a command that succeeds writes with --json."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def kill(self):
        """SIGKILL: what a crash, the OOM killer or an impatient person does."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Starts serve again on what the last one left, and waits until it publishes."""
        self.published_file.unlink(missing_ok=True)
        return self.start()

    def registry(self):
        """What registry.json says now."""
        return json.loads((self.home.runtime_dir / ".fleet" / "registry.json").read_text())

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"serve ended with exit code {self.process.returncode}\n{self.report()}")
        return self.published_file.exists() and "Connect with: " in self.stdout

    @property
    def stdout(self):
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self):
        return self._stderr.read_text(errors="replace")

    @property
    def info(self):
        """The published connection info."""
        return json.loads(self.published_file.read_text())

    def journal(self):
        """What serve has noted of the requests that it was asked."""
        return (self.home.runtime_dir / ".fleet" / "requests.log").read_text()

    def has_noted(self, msg_id):
        """Whether serve has this request, and noted that it waits."""
        return msg_id in self.journal()

    def connection_file(self, needs=None):
        """The file for a client with `needs`: always the published one, that is the point."""
        return self.published_file

    def kernel_processes(self):
        """Every living process that serve started, directly or not. Kernels that were launched for a host have the host's tag."""
        tagged = [process for process in processes.tagged(self._tag) if process.pid != self.process.pid]
        return tagged + [process for process in processes.kernels_of(self.home.path) if process not in tagged]

    def release(self, clients):
        """Detaches `clients`; the last client of a kernel takes it down."""
        for client in clients:
            detach(client)

    def stop(self):
        """SIGTERM: exit code 0, no published file, no process left, all before a deadline."""
        try:
            self.process.send_signal(signal.SIGTERM)
            assert self.exit_code() == 0, f"serve ended uncleanly\n{self.report()}"
            assert not self.published_file.exists(), "serve left its published file behind"
            wait_until(
                lambda: not self.kernel_processes(),
                5,
                lambda: f"serve's kernels to be gone:\n{processes.describe(self.kernel_processes())}",
            )
        finally:
            self.clear()

    def exit_code(self):
        """Waits for serve to end and returns its exit code."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"serve still ran {STOP_SECONDS} s after it should end\n{self.report()}") from None

    def clear(self):
        """Ends whatever still runs and removes the home. Asserts nothing."""
        if self.process is not None:
            # serve first: it would start again what it sees die.
            self.process.kill()
            self.process.wait()
            processes.end(self.kernel_processes())
        self.home.remove()

    def pause(self):
        """Stops serve, all of its threads, as SIGSTOP does in its own time."""
        self.process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.process.pid}/task")
        states = lambda: {each.joinpath("stat").read_text().rpartition(")")[2].split()[0] for each in threads.iterdir()}  # noqa: E731
        wait_until(lambda: states() == {"T"}, 5, "serve to stop")

    def last_words(self):
        """The end of what serve said, in lines that fit a screen."""
        lines = self._stderr.read_text(errors="replace").splitlines() if self._stderr.exists() else []
        return "\n".join(line[:LINE_CHARACTERS] for line in lines[-LAST_LINES:])

    def report(self):
        """What serve and its kernels said, for a person who reads a failure."""
        texts = {"serve's stdout": self._stdout, "serve's stderr": self._stderr}
        texts |= {str(log.relative_to(self.home.runtime_dir)): log for log in self.home.runtime_dir.rglob("*.log")}
        return "\n".join(
            f"--- {title}\n{file.read_text(errors='replace')[-LOG_TAIL_CHARACTERS:]}"
            for title, file in texts.items()
            if file.exists()
        )
