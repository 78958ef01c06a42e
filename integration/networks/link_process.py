"""Two network namespaces and the one link between them, which can be made faulty; all are gone when this process is.

The first line on stdout names the namespaces and addresses. Each line on stdin sets the faults of directions, as of
`Direction.set`, and is answered with a line that says what has become of packets until now. It ends when stdin does.
"""

import heapq
import json
import os
import random
import selectors
import sys
import time

from tun import enter_new_namespace, open_tun

FLEET_ADDRESS, CLIENT_ADDRESS = "10.213.7.1", "10.213.7.2"
LONGEST_PACKET = 65536
PACKETS_AT_ONCE = 64


class Direction:
    """Packets on their way from one device to the other."""

    def __init__(self, source, target, seed):
        self.source = source
        self.counts = {"carried": 0, "lost": 0, "cut": 0}
        self._target = target
        self._random = random.Random(seed)
        self._underway = []
        self.set()

    def set(self, loss=0.0, delay=0.0, cut=False):
        """`loss` is a probability, `delay` in seconds; nothing passes a cut."""
        self._loss, self._delay, self._cut = loss, delay, cut

    def read(self, now):
        """Takes what has come from the source."""
        for _ in range(PACKETS_AT_ONCE):
            try:
                self._take(os.read(self.source, LONGEST_PACKET), now)
            except BlockingIOError:
                return

    def _take(self, packet, now):
        fate = "cut" if self._cut else "lost" if self._random.random() < self._loss else "carried"
        self.counts[fate] += 1
        if fate == "carried":
            heapq.heappush(self._underway, (now + self._delay, self.counts["carried"], packet))

    def write(self, now):
        """Hands over what has arrived; returns the seconds until the next packet will, `None` if there is none."""
        while self._underway and self._underway[0][0] <= now:
            os.write(self._target, heapq.heappop(self._underway)[2])
        return self._underway[0][0] - now if self._underway else None


def main():
    fleet_namespace = enter_new_namespace()
    fleet = open_tun("fleet", FLEET_ADDRESS)
    client_namespace = enter_new_namespace()
    clients = open_tun("clients", CLIENT_ADDRESS)
    files = [f"/proc/{os.getpid()}/fd/{descriptor}" for descriptor in (fleet_namespace, client_namespace)]
    say({"fleet": files[0], "clients": files[1], "address": FLEET_ADDRESS, "client_address": CLIENT_ADDRESS})
    carry({"to_fleet": Direction(clients, fleet, seed=1), "to_clients": Direction(fleet, clients, seed=2)})


def carry(directions):
    selector = selectors.DefaultSelector()
    for direction in directions.values():
        selector.register(direction.source, selectors.EVENT_READ, direction)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        waits = [direction.write(time.monotonic()) for direction in directions.values()]
        for key, _ in selector.select(min((wait for wait in waits if wait is not None), default=None)):
            if key.data is not None:
                key.data.read(time.monotonic())
                continue
            line = sys.stdin.readline()
            if not line:
                return
            for name, faults in json.loads(line).items():
                directions[name].set(**faults)
            say({name: direction.counts for name, direction in directions.items()})


def say(line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
