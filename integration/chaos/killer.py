"""Who kills kernels, and serve, at random moments: the same ones for the same seed, as far as the machine allows."""

import os
import time
from dataclasses import dataclass, field

import psutil

from harness.deadline import wait_until

KNOWN_SECONDS = 20


@dataclass
class Killer:
    """Kills as often as asked; keeps account of when it killed whom."""

    fleet: object
    chance: object
    kernel_kills_per_second: float
    serve_kills_per_second: float
    killed: list = field(default_factory=list)

    def run(self, seconds):
        """Kills for so long; serve is back when this returns, and knows of all deaths."""
        end = time.monotonic() + seconds
        rate = self.kernel_kills_per_second + self.serve_kills_per_second
        while rate and (pause := self.chance.expovariate(rate)) < end - time.monotonic():
            time.sleep(pause)
            if self.chance.random() < self.serve_kills_per_second / rate:
                self.kill_serve()
            else:
                self.kill_a_kernel()
        dead = {pid for kind, pid, _ in self.killed if kind == "kernel"}
        wait_until(lambda: not dead & self.known(), KNOWN_SECONDS, lambda: f"serve to know of deaths: {dead & self.known()}")

    def known(self):
        """The processes of the kernels that serve believes to be up."""
        return {kernel["pid"] for kernel in self.fleet.registry()["kernels"] if kernel["status"] == "up"}

    def kill_serve(self):
        self.killed.append(("serve", self.fleet.process.pid, time.monotonic()))
        self.fleet.kill()
        self.fleet.restart()

    def kill_a_kernel(self):
        kernels = sorted(leaders(self.fleet), key=lambda process: process.pid)
        if not kernels:
            return
        victim = self.chance.choice(kernels)
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return
        self.killed.append(("kernel", victim.pid, time.monotonic()))

    def times(self, what):
        """When serve, or a kernel, was killed; monotonic seconds."""
        return [at for kind, _, at in self.killed if kind == what]


def leaders(fleet):
    """The kernels' own processes, without what they started: each is the leader of its process group."""
    return [process for process in fleet.kernel_processes() if is_leader(process.pid)]


def is_leader(pid):
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False
