"""An attack as a process of its own, of lowest priority and, as root, another user's where told.

Its order comes on stdin as JSON. Says on stdout how many events there were, each of which serve must count.
"""

import json
import os
import sys
import time

import attacks_floods
import attacks_frames
import attacks_handshake
from filler import become

MODULES = (attacks_frames, attacks_handshake, attacks_floods)
PAUSE_SECONDS = 0.01


def main():
    order = json.load(sys.stdin)
    os.nice(19)
    if order["user"]:
        become(order["user"])
    attack = next(getattr(module, order["attack"]) for module in MODULES if hasattr(module, order["attack"]))
    end = time.monotonic() + order["seconds"]
    events = attack(order["info"], **order["arguments"])
    while time.monotonic() < end:
        events += attack(order["info"], **order["arguments"])
        time.sleep(PAUSE_SECONDS)
    print(json.dumps({"events": events}))


if __name__ == "__main__":
    main()
