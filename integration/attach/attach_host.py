"""A host: a real KernelManager whose kernelspec starts `jupyter-fleet attach`."""

import json
import os
import uuid

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from harness.clients import READY_SECONDS
from harness.deadline import wait_until

END_SECONDS = 10


class Host:
    """Starts attach by a kernelspec of its own, and connects clients to it."""

    def __init__(self, binary, home, arguments=(), interrupt_mode="message", environment=None):
        self.home = home
        self._stderr_path = home.path / f"attach-{uuid.uuid4().hex[:8]}.stderr"
        # Open for as long as the host: a restart gives it to the next process.
        self._stderr = open(self._stderr_path, "ab")
        self._environment = environment or {}
        directory = home.data_dir / "hosts" / uuid.uuid4().hex[:8] / "attached"
        directory.mkdir(parents=True)
        spec = {
            "argv": [str(binary), "attach", "-f", "{connection_file}", *arguments],
            "display_name": "attached",
            "language": "python",
            "interrupt_mode": interrupt_mode,
        }
        (directory / "kernel.json").write_text(json.dumps(spec))
        specs = KernelSpecManager(kernel_dirs=[str(directory.parent)], ensure_native_kernel=False)
        connection_file = str(directory.parent / "connection.json")
        self.manager = KernelManager(
            kernel_name="attached", kernel_spec_manager=specs, connection_file=connection_file
        )
        self._clients = []

    def start(self):
        """Starts attach as a notebook server starts a kernel."""
        environment = self.home.environment | {"JPY_PARENT_PID": str(os.getpid())} | self._environment
        self.manager.start_kernel(env=environment, stderr=self._stderr, cwd=str(self.home.working_dir))
        return self

    @property
    def process(self):
        """The process of attach, as Popen."""
        return self.manager.provisioner.process

    def client(self, ready=True):
        """One more client of the same attach, with a session of its own."""
        client = self.manager.client()
        client.session = client.session.clone()
        client.session.session = uuid.uuid4().hex
        self._clients.append(client)
        client.start_channels()
        if ready:
            client.wait_for_ready(timeout=READY_SECONDS)
        return client

    def kill(self):
        """SIGKILL: what VS Code does, and crashes."""
        self.process.kill()
        self.process.wait()

    def wait(self):
        """Waits for attach to end and returns its exit code."""
        wait_until(lambda: self.process.poll() is not None, END_SECONDS, lambda: f"attach to end\n{self.report()}")
        return self.process.returncode

    def report(self):
        return self._stderr_path.read_text(errors="replace")

    def end(self):
        """Ends whatever runs. Asserts nothing."""
        for client in self._clients:
            client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self._stderr.close()
