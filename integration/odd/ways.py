"""Three ways to a kernel of one kernelspec: its own sockets, a fleet's published file, and a host that starts the fleet's kernelspec."""

import json
import secrets
import subprocess
import sys
import uuid
from pathlib import Path

from jupyter_client.connect import write_connection_file

from attach.attach_host import Host
from harness import processes
from harness.clients import new_client
from harness.deadline import Deadline

READY_SECONDS = 20
WAYS = ("direct", "published", "attach")
ODD_KERNEL = Path(__file__).parent / "odd_kernel.py"


def kernelspec(oddities=()):
    return {
        "argv": [sys.executable, str(ODD_KERNEL), "{connection_file}", *oddities],
        "display_name": " ".join(["odd", *oddities]),
        "language": "odd",
        "interrupt_mode": "message",
    }


def runtime_of(oddities):
    """The name of the kernelspec with these oddities."""
    return "-".join(["odd", *oddities])


def wait_until_ready(client):
    """As jupyter_client does it, which on a busy machine takes a late echo for the kernel's death."""
    deadline = Deadline(READY_SECONDS)
    while True:
        try:
            return client.wait_for_ready(timeout=deadline.left)
        except RuntimeError:
            if deadline.left <= 0:
                raise


class Ways:
    """Starts kernels and opens clients on them; `close` ends what it started."""

    def __init__(self, way, fleet, binary):
        self.way = way
        self.fleet = fleet
        self._binary = binary
        self._tag = uuid.uuid4().hex
        self._processes = []
        self._hosts = []
        self._clients = []

    def file(self, *oddities, runtime=None):
        """The connection file of a kernel of its own, and the needs that a client states there."""
        name, group = runtime or runtime_of(oddities), f"odd-{uuid.uuid4().hex[:8]}"
        if self.way == "direct":
            return self._launch(name), None
        if self.way == "published":
            return self.fleet.published_file, {"runtime": name, "group": group}
        host = Host(self._binary, self.fleet.home, ["--runtime", name, "--group", group])
        self._hosts.append(host)
        host.start()
        return Path(host.manager.connection_file), None

    def client(self, *oddities, runtime=None, session=None, ready=True):
        """A client of a kernel of its own."""
        return self.open(self.file(*oddities, runtime=runtime), session, ready)

    def open(self, place, session=None, ready=True):
        """One more client there; `session` is a jupyter_client Session without a key."""
        file, needs = place
        client = new_client(file, needs)
        if session is not None:
            session.key, session.signature_scheme = client.session.key, client.session.signature_scheme
            session.metadata = session.metadata | client.session.metadata
            client.session = session
        self._clients.append(client)
        client.start_channels()
        if ready:
            wait_until_ready(client)
        return client

    def _launch(self, runtime):
        home = self.fleet.home
        file = home.runtime_dir / f"kernel-direct-{uuid.uuid4().hex[:8]}.json"
        write_connection_file(str(file), ip="127.0.0.1", key=secrets.token_hex(16).encode())
        spec = json.loads((home.data_dir / "kernels" / runtime / "kernel.json").read_text())
        self._processes.append(
            subprocess.Popen(
                [argument.replace("{connection_file}", str(file)) for argument in spec["argv"]],
                env=self.fleet.environment | {processes.TAG: self._tag},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        return file

    def close(self):
        for client in self._clients:
            if client.channels_running:
                client.stop_channels()
        for host in self._hosts:
            host.end()
        processes.end(processes.tagged(self._tag))
        for process in self._processes:
            process.wait()
