"""A bare iopub subscriber: says `connected`, then `heard` at the first message, and at the end how many frames came.

`--user NAME` makes it another user's process before it opens a socket.
"""

import argparse
import json
import os
import pwd
import sys

import zmq
from zmq.utils.monitor import recv_monitor_message

CONNECT_SECONDS = 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connection_file")
    parser.add_argument("--user")
    arguments = parser.parse_args()
    with open(arguments.connection_file) as file:
        info = json.load(file)
    if arguments.user:
        become(arguments.user)
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    monitor = subscriber.get_monitor_socket(zmq.EVENT_CONNECTED)
    subscriber.subscribe(b"")
    subscriber.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
    if not monitor.poll(CONNECT_SECONDS * 1000):
        sys.exit("no connection to iopub")
    recv_monitor_message(monitor)
    print("connected", flush=True)
    print(count_frames(subscriber), flush=True)
    os._exit(0)


def become(user):
    """Gives up root for good."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def count_frames(subscriber):
    """Counts until a line on stdin says that it is over, then what is already on the way."""
    poller = zmq.Poller()
    poller.register(subscriber, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    frames, over = 0, False
    while True:
        ready = dict(poller.poll(500 if over else None))
        if subscriber in ready:
            if frames == 0:
                print("heard", flush=True)
            frames += len(subscriber.recv_multipart())
        elif over:
            return frames
        if sys.stdin.fileno() in ready and not over:
            sys.stdin.readline()
            poller.unregister(sys.stdin.fileno())
            over = True


if __name__ == "__main__":
    main()
