"""The test's end of the link between a fleet and its clients, and of the relay that stands in for it."""

import json
import select
import subprocess
import sys
import time
from pathlib import Path

from harness.deadline import Deadline, wait_until

ANSWER_SECONDS = 10
QUIET_SECONDS = 0.1
HERE = Path(__file__).resolve().parent
CUT = {"cut": True}


class Network:
    """Two machines, as far as TCP can tell, with a link between them that can be made faulty."""

    carries_packets = True

    def __init__(self):
        self._link = Commanded("link_process.py")
        there = self._link.greeting
        self.address, self._client_address = there["address"], there["client_address"]
        self.fleet_side, self.client_side = (["nsenter", f"--net={there[side]}"] for side in ("fleet", "clients"))
        self.serve_arguments = ["--ip", self.address, "--allow-remote"]

    def far_file(self, fleet):
        """The connection file for clients on the other side of the link."""
        return fleet.published_file

    def set(self, **directions):
        """Sets the faults of `to_fleet` and `to_clients`: `loss` (a probability), `delay` (seconds), `cut`.

        Returns how many packets each has carried, lost, and held up in a cut until now.
        """
        return self._link.command(directions)

    def cut(self):
        """Cuts both ways, once the fleet has been told what has arrived: whether the last message before a cut did, when its
        acknowledgment is still under way (clients' hosts take up to 40 ms for it), nobody could tell."""
        self.set(to_clients=CUT)
        self.falls_silent("to_fleet")
        self.set(to_fleet=CUT, to_clients=CUT)

    def falls_silent(self, direction):
        """Waits for a moment in which nothing passes."""
        before, deadline = None, Deadline(ANSWER_SECONDS)
        while (now := self.carried(direction)) != before:
            assert deadline.left, f"{direction}, there was no quiet moment in {ANSWER_SECONDS} s"
            before = now
            time.sleep(QUIET_SECONDS)  # silence has a length

    def carries(self, packets, direction):
        """Waits until so many more packets have passed."""
        goal = self.carried(direction) + packets
        wait_until(lambda: self.carried(direction) >= goal, ANSWER_SECONDS, f"{packets} more packets {direction}")

    def carried(self, direction):
        return self.set()[direction]["carried"]

    def restore(self):
        return self.set(to_fleet={}, to_clients={})

    def end_connections_of_clients(self):
        """The clients' ends are gone. The fleet's are told, if the link carries that."""
        self._end(self.client_side, self.address)

    def end_connections_of_fleet(self):
        self._end(self.fleet_side, self._client_address)

    def end_connections(self):
        """Both ends of all connections are gone."""
        self.cut()
        self.end_connections_of_clients()
        self.end_connections_of_fleet()

    @staticmethod
    def _end(side, peer):
        ended = subprocess.run([*side, "ss", "-K", "-H", "-t", "dst", peer], capture_output=True, text=True, check=True)
        assert ended.stdout, f"there were no connections to {peer}, or this kernel cannot end them: {ended.stderr}"

    def close(self):
        self._link.close()


class RelayedNetwork:
    """One machine, with a relay between fleet and clients: it knows bytes and no packets, so none can be lost."""

    carries_packets = False
    fleet_side = client_side = serve_arguments = ()

    def __init__(self):
        self._relay = None

    def far_file(self, fleet):
        if self._relay is None:
            names = [f"{channel}_port" for channel in ("shell", "iopub", "stdin", "control", "hb")]
            self._relay = Commanded("relay_process.py", json.dumps([fleet.info[name] for name in names]))
            ports = dict(zip(names, self._relay.greeting["ports"], strict=True))
            self._file = fleet.home.path / "relayed.json"
            self._file.write_text(json.dumps(fleet.info | ports))
        return self._file

    def set(self, **directions):
        return self._relay.command(directions)

    def cut(self):
        self.set(to_fleet=CUT, to_clients=CUT)

    def restore(self):
        return self.set(to_fleet={}, to_clients={})

    def end_connections(self):
        """Both ends of all connections are reset; new ones come to nothing until `restore`."""
        self._relay.command({"to_fleet": CUT, "to_clients": CUT, "reset": ["clients", "fleet"]})

    def close_halves(self, *ends):
        """Tells these ends ("clients", "fleet") that no more will come."""
        self._relay.command({"end": ends})

    def close(self):
        if self._relay is not None:
            self._relay.close()


def refusal():
    """Why this machine gives us no network of our own; `None` if it does."""
    try:
        Network().close()
    except AssertionError as reason:
        return str(reason)
    return None


class Commanded:
    """A process that greets with a line of JSON, answers each line with one, and ends with its stdin."""

    def __init__(self, script, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.greeting = self._answer()

    def command(self, command):
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        readable, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            self._process.kill()
            raise AssertionError(self._process.communicate()[1].decode().strip().rpartition("\n")[2] or "no answer")
        return json.loads(line)

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(ANSWER_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process.stderr.close()
