"""A process full of guests of a fleet, for so many seconds; then it writes its accounts as one line of JSON.

usage: guest_house.py JSON, with {"binary", "file", "seed", "seconds", "stays", "rooms", "asks"}. `stays` guests ask all the time;
in each of the `rooms`, one guest comes after the other. Without `asks`, no cell asks for input.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cells import CELLS  # noqa: E402
from guest import Guest  # noqa: E402
from visits import VISITS  # noqa: E402

LONGEST_PAUSE_SECONDS = 0.3
# Lua kernels start within milliseconds, Python's take a second of processor time.
RUNTIMES = {"lua": 6, "python3": 3, "bash": 2}
# What is shared by name is shared between processes too.
SHARED_GROUPS = 2
ISOLATED = 0.25


@dataclass
class Accounts:
    """What became of all requests of a house."""

    requests: int = 0
    answered: int = 0
    comms: int = 0
    without_idle: int = 0
    visits: dict = field(default_factory=dict)
    ends: dict = field(default_factory=dict)
    garbled: list = field(default_factory=list)
    unanswered: list = field(default_factory=list)
    uninterrupted: list = field(default_factory=list)
    faults: list = field(default_factory=list)


class House:
    def __init__(self, binary, file, seed, seconds, stays, rooms, asks):
        self.binary, self.file, self.stays, self.rooms, self.asks = binary, file, stays, rooms, asks
        self.chance = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.accounts = Accounts()

    def is_open(self):
        return time.monotonic() < self.end

    def wishes(self):
        """A runtime, and the needs of a guest that wants it."""
        runtime = self.chance.choices(list(RUNTIMES), RUNTIMES.values())[0]
        # An isolated kernel is launched for each guest: only the cheap one, as a rule.
        if self.chance.random() < ISOLATED and (runtime == "lua" or self.chance.random() < 0.3):
            return runtime, {"runtime": runtime, "isolated": True}
        return runtime, {"runtime": runtime, "group": f"soak-{self.chance.randrange(SHARED_GROUPS)}"}

    def cell(self, runtime, is_alone=False):
        """One of the runtime's cells. Whoever shares an ipykernel does not interrupt it: it may forget a request of another."""
        may_interrupt = is_alone or runtime == "lua"
        cells = CELLS[runtime].values()
        cells = [cell for cell in cells if (self.asks or not cell.is_asked) and (may_interrupt or not cell.is_interrupted)]
        return self.chance.choice(cells)

    async def pause(self):
        await asyncio.sleep(self.chance.uniform(0, LONGEST_PAUSE_SECONDS))

    async def stay(self, runtime):
        """A guest that asks until the house closes."""
        guest = Guest(self.file, self.accounts, {"runtime": runtime, "group": "soak-0"})
        self.count("stay")
        while self.is_open():
            await guest.run(self.cell(runtime))
            await self.pause()
        await guest.leave(says_goodbye=self.chance.random() < 0.5)

    async def room(self):
        """One short visit after the other."""
        kinds = {kind: visit.weight for kind, visit in VISITS.items()}
        while self.is_open():
            kind = self.chance.choices(list(kinds), kinds.values())[0]
            try:
                if await VISITS[kind].how(self):
                    self.count(kind)
            except Exception as failure:
                self.accounts.faults.append(f"{kind}: {type(failure).__name__}: {failure}")
            await self.pause()

    def count(self, kind):
        self.accounts.visits[kind] = self.accounts.visits.get(kind, 0) + 1

    async def open(self):
        runtimes = list(RUNTIMES)
        stays = [self.stay(runtimes[number % len(runtimes)]) for number in range(self.stays)]
        await asyncio.gather(*stays, *(self.room() for _ in range(self.rooms)))
        return self.accounts


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(House(**json.loads(sys.argv[1])).open()))), flush=True)
