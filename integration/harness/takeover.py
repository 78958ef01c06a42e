"""Serve is killed while it takes up what the one before has left."""

import random
import time

SECONDS = 20
LOOK_AGAIN_SECONDS = 0.001
# Takes longer than a serve needs to take everything up.
LONGEST_LIFE_SECONDS = 0.4

# What can be seen of a serve as it starts.
STEPS = {
    "it has been started": lambda fleet: True,
    "it knows what enforces limits": lambda fleet: "limits of kernels are held by" in fleet.stderr,
    "it has read what is left": lambda fleet: "taking up what the last serve left" in fleet.stderr,
    "it has connected to the kernel": lambda fleet: "kernel is up" in fleet.stderr,
    "it has written the registry": lambda fleet: fleet.registry()["serve"]["pid"] == fleet.process.pid,
    "it has published": lambda fleet: fleet.published_file.exists(),
}


def start_and_kill_at(fleet, step):
    """Starts serve and kills it at a step."""
    fleet.published_file.unlink(missing_ok=True)
    fleet.launch()
    deadline = time.monotonic() + SECONDS
    while not STEPS[step](fleet):
        assert fleet.process.poll() is None, f"serve ended before {step}\n{fleet.report()}"
        assert time.monotonic() < deadline, f"waited {SECONDS} s until {step}\n{fleet.report()}"
        time.sleep(LOOK_AGAIN_SECONDS)
    fleet.kill()


def start_and_kill_within(fleet, seed):
    """Starts serve and kills it at a moment that the seed chooses."""
    fleet.published_file.unlink(missing_ok=True)
    fleet.launch()
    # Not a wait for a condition: the moment is what is varied.
    time.sleep(random.Random(seed).uniform(0, LONGEST_LIFE_SECONDS))
    fleet.kill()
