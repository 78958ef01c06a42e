"""The whole experiment: clients, kernels, a killer, and what is left of them; see `test_chaos`."""

import json
import random
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from accounts import Accounts
from crowd_of_clients import ANSWER_SECONDS
from killer import Killer

CROWD = Path(__file__).with_name("crowd_of_clients.py")
LANGUAGES = ("python", "lua")
RUNTIMES = {"python": "python3", "lua": "lua"}


@dataclass(frozen=True)
class Scale:
    """How much of everything. Kills are per second, of all kernels together."""

    seconds: float
    seed: int
    clients: int = 20
    client_processes: int = 4
    kernels: int = 6
    kernel_kills: float = 0.7
    serve_kills: float = 0.0


def run(fleet, scale):
    """Lets the clients ask while the killer kills, then once more in peace; returns their accounts."""
    print(f"\nchaos: {scale}")
    chance = random.Random(scale.seed)
    killer = Killer(fleet, chance, scale.kernel_kills, scale.serve_kills)
    began = time.monotonic()
    crowds = [Crowd(fleet, chance.random(), clients) for clients in shares(scale)]
    try:
        for crowd in crowds:
            # The published file is not there while serve is not.
            assert crowd.line(ANSWER_SECONDS) == b"connected\n"
        killer.run(scale.seconds)
        for crowd in crowds:
            crowd.stop()
        by_client = {name: each for crowd in crowds for name, each in crowd.accounts().items()}
    finally:
        for crowd in crowds:
            crowd.close()
    return Accounts(by_client, killer, began)


def shares(scale):
    """The clients of each process: those of one process use different kernels, those of one kernel sit in different processes."""
    clients = []
    for number in range(scale.clients):
        kernel = number % scale.kernels
        language = LANGUAGES[kernel % len(LANGUAGES)]
        needs = {"runtime": RUNTIMES[language], "group": f"kernel-{kernel}"}
        clients.append({"name": f"c{number}", "language": language, "needs": needs})
    size = -(-scale.clients // scale.client_processes)
    return [clients[start:start + size] for start in range(0, scale.clients, size)]


class Crowd:
    """The test's end of a process of clients."""

    def __init__(self, fleet, seed, clients):
        self.process = subprocess.Popen(
            [sys.executable, str(CROWD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=fleet.environment
        )
        self.say({"file": str(fleet.published_file), "seed": seed, "clients": clients})

    def stop(self):
        self.say("stop")

    def say(self, what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def accounts(self):
        # A request that waits for its answer, and the last one of all.
        return json.loads(self.line(2 * ANSWER_SECONDS + 10))

    def line(self, seconds):
        readable, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert readable, f"a process of clients said nothing for {seconds} s"
        line = self.process.stdout.readline()
        assert line, "a process of clients ended too early"
        return line

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()
