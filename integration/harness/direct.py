"""Plain kernels behind the interface of `Fleet`, to prove the tests themselves: `run --direct`.

Clients with equal needs get the connection file of the same kernel; what the proxy decides, this class looks up.
"""

import json
import secrets
import subprocess
import uuid

from jupyter_client.connect import write_connection_file

from harness import processes
from harness.deadline import wait_until
from harness.home import KERNELS, Home, kernelspecs

START_SECONDS = 20
PYTHONS = ("python3", "python-tcp", "python-ipc", "python-message")


class DirectKernels:
    """Starts a kernel for each distinct set of needs."""

    is_direct = True

    def __init__(self, binary):
        self.binary = binary
        self.home = Home()
        self.environment = self.home.environment
        self._tag = uuid.uuid4().hex
        self._kernels = {}

    def start(self):
        return self

    def connection_file(self, needs=None):
        """The connection file of the one kernel for these needs."""
        place = json.dumps(needs or {}, sort_keys=True)
        if place not in self._kernels:
            self._kernels[place] = self._launch((needs or {}).get("runtime", "python3"))
        return self._kernels[place][1]

    @property
    def published_file(self):
        return self.connection_file()

    @property
    def info(self):
        return json.loads(self.connection_file().read_text())

    def _launch(self, runtime):
        file = self.home.runtime_dir / f"kernel-{uuid.uuid4().hex[:8]}.json"
        if runtime != "announced":
            transport, ip = ("ipc", str(file.with_suffix(""))) if runtime == "python-ipc" else ("tcp", "127.0.0.1")
            write_connection_file(str(file), ip=ip, transport=transport, key=secrets.token_hex(16).encode())
        argv = [argument.replace("{connection_file}", str(file)) for argument in self._argv(runtime)]
        with open(file.with_suffix(".log"), "wb") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home.working_dir,
                env=self.environment | {processes.TAG: self._tag, "PS1": "$"},
                start_new_session=True,
            )
        wait_until(file.exists, START_SECONDS, f"{runtime} to write {file}")
        return process, file

    def _argv(self, runtime):
        specs = kernelspecs()
        if runtime == "announced":
            return [specs["python3"]["argv"][0], str(KERNELS / "announced_kernel.py"), "--connection-file", "{connection_file}"]
        if runtime == "lua":
            return [self.binary, "lua-kernel", "-f", "{connection_file}"]
        return specs["python3" if runtime in PYTHONS else runtime]["argv"]

    def kernel_processes(self):
        return processes.tagged(self._tag)

    def release(self, clients):
        """Closes the clients: a plain kernel has no notion of detaching."""
        for client in clients:
            client.stop_channels()

    def stop(self):
        self.end_kernels()
        self.home.remove()

    clear = stop

    def end_kernels(self):
        """Ends every kernel; the next client gets a new one."""
        processes.end(processes.tagged(self._tag))
        for process, file in self._kernels.values():
            process.wait()
            file.with_suffix(".log").unlink()
        self._kernels.clear()

    def last_words(self):
        return "plain kernels, without serve"

    def report(self):
        logs = self.home.runtime_dir.glob("*.log")
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-8000:]}" for log in logs)
