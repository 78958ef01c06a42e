"""The whole experiment: cycles of load, each to its end; see `test_soak`."""

import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gauges import HEADINGS, Gauges, descriptors
from houses import Totals, closed, open_house
from unrest import SPARED, Unrest

from harness.clients import execute, new_client
from harness.deadline import wait_until

QUIET_SECONDS = 60
SETTLED_LOOKS = 10
FORGOTTEN = "KeyboardInterrupt caught in kernel"
# Everything that is remembered for a while is remembered briefly here, and what is bounded by a number is soon full.
CONFIG = """\
default_runtime = "python3"
cull_after = 4

[limits]
linger_ms = 1000
expected_for_ms = 2000
abandoned_after_ms = 2000
remembered_signatures = 2000
remembered_clients = 50

[runtimes.python3]
pool = 0

[runtimes.steady]
kernelspec = "python3"
cull_after = 0
"""


@dataclass(frozen=True)
class Scale:
    """How much of everything. A doomed house is killed in the middle of its guests' doings."""

    seconds: float
    seed: int
    load_seconds: float = 12
    houses: int = 2
    stays: int = 2
    rooms: int = 3
    doomed_seconds: float = 6


class Soak:
    """A fleet under load, one cycle after the other. `before` is what serve held with the residents alone."""

    def __init__(self, fleet, scale):
        self.fleet, self.scale = fleet, scale
        self.chance = random.Random(scale.seed)
        self.unrest = Unrest(fleet, self.chance)
        self.totals, self.samples, self.asked, self.forgetful = Totals(), [], 0, 0
        self.empty = settled(fleet)
        self.residents = [self.resident() for _ in range(2)]
        self.before = settled(fleet)

    def resident(self):
        """A client that stays from the beginning to the end, on a kernel that nobody disturbs."""
        client = new_client(self.fleet.published_file, {"runtime": "steady", "group": SPARED})
        client.start_channels()
        client.wait_for_ready(timeout=60)
        return client

    def run(self):
        end = time.monotonic() + self.scale.seconds
        print(f"\n{self.scale}\n   seconds  {HEADINGS}")
        self.say(self.empty, 0)
        self.say(self.before, 0)
        began = time.monotonic()
        while time.monotonic() < end or len(self.samples) < 3:
            self.cycle()
            self.samples.append(self.quiet(self.before))
            self.say(self.samples[-1], time.monotonic() - began)

    def cycle(self):
        """Houses full of guests, and unrest among their kernels, until the last guest has left."""
        houses = [self.open_house(self.scale.load_seconds) for _ in range(self.scale.houses)]
        # Whoever dies with a question open leaves a kernel that waits for ever.
        doomed = self.open_house(2 * self.scale.load_seconds, asks=False)
        with closed(*houses, doomed):
            self.unrest.run(self.scale.doomed_seconds, self.ask_residents)
            doomed.kill()
            self.unrest.run(self.scale.load_seconds - self.scale.doomed_seconds, self.ask_residents)
            for house in houses:
                self.totals.add_those_of(house)

    def open_house(self, seconds, asks=True):
        scale = self.scale
        return open_house(self.fleet, seed=self.chance.random(), seconds=seconds, stays=scale.stays, rooms=scale.rooms, asks=asks)

    def ask_residents(self):
        """Their kernel has forgotten nothing and missed nothing."""
        for client in self.residents:
            self.asked += 1
            done = execute(client, "asked = globals().get('asked', 0) + 1\nprint(asked)", seconds=60)
            assert (done.status, done.stream()) == ("ok", f"{self.asked}\n"), (self.asked, done)

    def quiet(self, before):
        """Waits until serve holds no more than before."""
        looked = []

        def is_quiet():
            self.stop_the_lost()
            looked.append(Gauges.read(self.fleet))
            return looked[-1].is_back_at(before) and looked[-1]

        return wait_until(is_quiet, QUIET_SECONDS, lambda: (
            f"serve to hold no more than before\n{HEADINGS}\n{before.line()}\n{looked[-1].line()}\n"
            f"{json.dumps([self.fleet.answer('list'), self.fleet.answer('status')['clients']], indent=1)}\n{descriptors(self.fleet)}"
        ))

    def stop_the_lost(self):
        """Stops kernels that nobody has any more and that owe a reply which they will never give: ipykernel, and bash_kernel
        with it, forgets the request that an interrupt hits outside of its cell, and says just that."""
        for kernel in self.fleet.answer("list"):
            is_left = kernel["status"] == "busy" and kernel["clients"] == 0
            if is_left and FORGOTTEN in Path(kernel["log"]).read_text(errors="replace"):
                print(f"a kernel that has forgotten a request is stopped: {kernel['id']} ({kernel['runtime']})", flush=True)
                self.fleet.command("stop", kernel["id"])
                self.forgetful += 1

    def end(self):
        """The residents leave too, and their kernel ends with the last of them."""
        self.fleet.release(self.residents)
        self.residents = []
        return self.quiet(self.empty)

    def close(self):
        """Ends what a failure left. Asserts nothing."""
        for client in self.residents:
            with suppress(Exception):
                client.stop_channels()

    def kernels_started(self):
        return self.fleet.stderr.count("kernel is up")

    @staticmethod
    def say(gauges, at):
        print(f"{at:>10.0f}  {gauges.line()}", flush=True)


def settled(fleet):
    """What serve holds once that is the same for several looks."""
    looks = []

    def is_settled():
        looks.append(Gauges.read(fleet))
        recent = looks[-SETTLED_LOOKS:]
        return len(recent) == SETTLED_LOOKS and len({(each.files, each.tasks, each.kernels, each.clients) for each in recent}) == 1

    wait_until(is_settled, 30, lambda: f"serve to settle\n{HEADINGS}\n" + "\n".join(each.line() for each in looks[-20:]))
    return looks[-1]
