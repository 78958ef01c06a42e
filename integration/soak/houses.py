"""The test's end of houses full of guests, and what they say of themselves when they close."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HOUSE = Path(__file__).with_name("guest_house.py")
# The last request of each guest may take its whole time.
END_SECONDS = 150


def open_house(fleet, **arguments):
    """Starts a house; arguments as of `guest_house`."""
    told = json.dumps({"binary": str(fleet.binary), "file": str(fleet.published_file), **arguments})
    return subprocess.Popen([sys.executable, str(HOUSE), told], stdout=subprocess.PIPE, env=fleet.environment)


@contextmanager
def closed(*houses):
    """Has all of them ended in the end."""
    try:
        yield
    finally:
        for house in houses:
            house.kill()
            house.communicate(timeout=END_SECONDS)


@dataclass
class Totals:
    """The accounts of all houses together."""

    numbers: Counter = field(default_factory=Counter)
    visits: Counter = field(default_factory=Counter)
    ends: Counter = field(default_factory=Counter)
    faults: list = field(default_factory=list)
    garbled: list = field(default_factory=list)
    unanswered: list = field(default_factory=list)
    uninterrupted: list = field(default_factory=list)

    def add_those_of(self, house):
        """Waits until a house closes, and adds its accounts."""
        out, _ = house.communicate(timeout=END_SECONDS)
        assert house.returncode == 0, f"a house of guests ended with {house.returncode}"
        self.add(json.loads(out))

    def add(self, accounts):
        self.numbers.update({name: accounts[name] for name in ("requests", "answered", "comms", "without_idle")})
        self.visits.update(accounts["visits"])
        self.ends.update(accounts["ends"])
        for kind in ("faults", "garbled", "unanswered", "uninterrupted"):
            for complaint in accounts[kind]:
                print(f"{kind}: {complaint}", flush=True)
            getattr(self, kind).extend(accounts[kind])
