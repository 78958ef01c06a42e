"""One attack on one fleet: what it costs serve, what an honest client notices of it, what is counted and logged.

The attacker is a process of its own with the lowest priority: what is measured is what serve does for it, not what it takes
from the processor itself. Medians are compared, and with a floor, for tests share their machine.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import zmq

from harness.deadline import Deadline, wait_until
from harness.wire import Wire, execute_content

MEBIBYTE = 1 << 20
# What attacks may cost that leave nothing behind. Nothing is reserved for what is only announced, and messages are thrown away as
# they are read: what is left are buffers of some hundred short connections, and what the allocator keeps of them.
LITTLE = 24 * MEBIBYTE
ATTACKER = Path(__file__).with_name("attacker.py")
ATTACK_SECONDS = 40
SAMPLES = 100
# What the scheduler may add to a round trip: it gives out some milliseconds at a time, and four processes take part.
NOISE_SECONDS = 0.006


class Siege:
    """An own fleet, an honest client of it, and the attacks on it."""

    def __init__(self, fleet, record):
        self.fleet = fleet
        self.honest = Honest(fleet)
        self._record = record
        self._before = None

    def begin(self):
        """Measures how things are before the attack."""
        self._log_start = len(self.fleet.stderr)
        self._counters = self.counters()
        self._before = self.honest.sample(lambda: False)
        forget_peak(self.fleet.process.pid)
        self._memory = memory(self.fleet.process.pid, "VmRSS")
        return self

    def run(self, attack, user=None, seconds=1.5, **arguments):
        """Runs an attack of `attacks_*.py` to its end and returns what was seen."""
        self.begin()
        title = " ".join([attack, *(value for value in arguments.values() if isinstance(value, str))])
        return self.end(title, self.process(attack, user, seconds, **arguments))

    def process(self, attack, user=None, seconds=1.5, **arguments):
        """Starts an attacker. Its attack is made over and over for so many seconds, and at least once."""
        # Its own copy: another user may not read the published file, nor look into where it lies.
        order = {"info": self.fleet.info, "attack": attack, "seconds": seconds, "user": user, "arguments": arguments}
        attacker = subprocess.Popen(
            [sys.executable, str(ATTACKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        attacker.stdin.write(json.dumps(order))
        attacker.stdin.close()
        return attacker

    def end(self, title, attacker):
        """Asks on for the honest client until the attacker has ended."""
        try:
            during = self.honest.sample(lambda: attacker.poll() is None)
        finally:
            # If it has not ended by itself, it never will.
            attacker.kill()
        said = attacker.stdout.read()
        assert attacker.wait(10) == 0, f"the attacker failed: {said}"
        return self.seen(title, json.loads(said)["events"], during)

    def while_going(self, title, goes_on, events=0):
        """The same for an attack without an attacker of its own: it goes on for as long as `goes_on()`."""
        return self.seen(title, events, self.honest.sample(goes_on))

    def seen(self, title, events, during):
        pid = self.fleet.process.pid
        growth = memory(pid, "VmHWM") - self._memory
        after = self.honest.sample(lambda: False)
        seen = Seen(self, title, events, growth, self._memory, max(self._before, after), during)
        self._record(seen.row())
        return seen

    def counters(self):
        return self.fleet.answer("status")["counters"]

    def raised(self):
        """How much each counter has risen since the attack began."""
        return {name: count - self._counters.get(name, 0) for name, count in self.counters().items()}

    def log(self):
        """What serve has logged since the attack began."""
        lines = self.fleet.stderr[self._log_start :].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def close(self):
        self.honest.close()


class Honest:
    """A client of a kernel of its own that asks again and again who that is."""

    def __init__(self, fleet, needs=None):
        self._peer = Wire(fleet.published_file, None, needs or {"runtime": "lua", "group": "honest"})
        self._shell = self._peer.socket(zmq.DEALER, "shell")
        assert self._peer.execute(self._shell, "return 1")["status"] == "ok"

    def sample(self, goes_on):
        """The median round trip in seconds, over some at least, and for as long as it `goes_on()`."""
        took, deadline = [], Deadline(ATTACK_SECONDS)
        while len(took) < SAMPLES or goes_on():
            assert deadline.left, "what was waited for never came"
            start = time.perf_counter()
            assert self._peer.ask(self._shell, "kernel_info_request")["status"] == "ok"
            took.append(time.perf_counter() - start)
            time.sleep(0.001)
        return statistics.median(took)

    def send(self, code):
        """Runs `code` to its end; the frames of its message."""
        frames = self._peer.message("execute_request", execute_content(code))
        self._shell.send_multipart(frames)
        assert self._peer.read(self._shell)[3]["status"] == "ok"
        return frames

    def run(self, code):
        """Runs `code`; the status of its reply."""
        return self._peer.execute(self._shell, code)["status"]

    def close(self):
        self._peer.close()


class Seen:
    """What an attack came to."""

    def __init__(self, siege, title, events, growth, memory_before, before, during):
        self._siege, self._title, self.events = siege, title, events
        self.growth, self._memory_before, self._before, self._during = growth, memory_before, before, during

    def is_borne(self, bound):
        """serve has grown by less than `bound` bytes, and the honest client has waited at most twice as long as else."""
        assert self.growth < bound, f"{self._title}: serve grew by {self.growth / MEBIBYTE:.1f} MiB"
        most = 2 * self._before + NOISE_SECONDS
        assert self._during <= most, f"{self._title}: {self._during * 1e3:.2f} ms where it was {self._before * 1e3:.2f} ms"
        return self

    def is_counted(self, **least):
        """Each of these counters has risen by so much at least; late ones are waited for."""
        def missing():
            raised = self._siege.raised()
            return {name: raised.get(name) for name, count in least.items() if raised.get(name, 0) < count}

        wait_until(lambda: not missing(), 10, lambda: f"{self._title} to be counted: {missing()} of {least}")
        return self

    def is_told_once(self, *reasons):
        """The log has one line per origin for each of these kinds of trouble, told by a pattern in their reason.

        A peer that is gone before it could be looked for is of unknown origin, and that may come to a line of its own.
        """
        log = [line["fields"] for line in self._siege.log() if "reason" in line["fields"]]
        for reason in reasons:
            told = [re.sub("process [0-9]+", "a process", line.get("origin", "")) for line in log if re.search(reason, line["reason"])]
            assert told and len(told) == len(set(told)), f"{self._title}: {reason!r} is told to be of {told}: {log}"
        assert len(log) <= 2 * len(reasons), f"{self._title}: too many lines: {log}"
        return self

    def row(self):
        """What is written down of it."""
        return {
            "attack": self._title,
            "events": self.events,
            "memory_before_mib": round(self._memory_before / MEBIBYTE, 1),
            "memory_growth_mib": round(self.growth / MEBIBYTE, 1),
            "round_trip_without_ms": round(self._before * 1e3, 2),
            "round_trip_during_ms": round(self._during * 1e3, 2),
            "counters": {name: count for name, count in self._siege.raised().items() if count and name not in USUAL},
        }


# Counters that the honest client raises as well.
USUAL = {"connections", "requests", "replies", "published"}


def memory(pid, field):
    """A field of /proc/PID/status, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc/{pid}/status has no {field}")


def forget_peak(pid):
    """Begins VmHWM anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
