"""Who stops, restarts, interrupts and kills kernels while they are used, and counts how often."""

import time
from dataclasses import dataclass, field

import psutil

LONGEST_PAUSE_SECONDS = 2.0
# Kernels with this label are left alone.
SPARED = "resident"
DEEDS = {"kill": 3, "stop": 2, "restart": 2, "interrupt": 1}
# A signal leaves bash_kernel with a shell that is not at its prompt, and ipykernel may forget a request by it.
INTERRUPTED = {"lua"}


@dataclass
class Unrest:
    """Disturbs kernels of the fleet at moments that `chance` chooses; `meanwhile` is called between them."""

    fleet: object
    chance: object
    done: dict = field(default_factory=dict)

    def run(self, seconds, meanwhile):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.chance.uniform(0.2, LONGEST_PAUSE_SECONDS)))
            meanwhile()
            self.disturb()

    def disturb(self):
        kernels = [each for each in self.fleet.answer("list") if each["group"] != SPARED and each["pid"]]
        if not kernels:
            return
        kernel = self.chance.choice(kernels)
        deed = self.chance.choices(list(DEEDS), DEEDS.values())[0]
        if deed == "interrupt" and kernel["runtime"] not in INTERRUPTED:
            return
        # Whoever comes too late for a kernel that has gone by itself has done nothing.
        if kill(kernel["pid"]) if deed == "kill" else self.fleet.command(deed, kernel["id"]).returncode == 0:
            self.done[deed] = self.done.get(deed, 0) + 1


def kill(pid):
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return False
    return True
