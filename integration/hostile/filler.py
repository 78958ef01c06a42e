"""A process that fills what strangers may use with partial messages, with `--user NAME` another user's.

It says on stdout how many bytes it got rid of, and at each line on stdin how many of its connections still live.
"""

import argparse
import json
import os
import pwd
import sys
from pathlib import Path

from raw_peer import LONG, RawPeer, header

# From large to small, so that the smallest fill what the large ones left.
PARTIAL_BYTES = [12 << 20] * 6 + [(4 << 20) >> halved for halved in range(12) for _ in range(2)]
ANNOUNCED_BYTES = 16 << 20
PIECE_BYTES = 64 << 10


def fill(info):
    """Opens connections that each send a part of a long message, for as long as they are let."""
    peers, sent = [], 0
    for size in PARTIAL_BYTES:
        peer = RawPeer(info, "shell")
        peers.append(peer)
        peer.send(header(ANNOUNCED_BYTES, LONG))
        left = size
        while left > 0 and peer.is_alive() and peer.send(bytes(min(left, PIECE_BYTES))):
            left -= PIECE_BYTES
        sent += size - max(left, 0) if peer.is_alive() else 0
    return peers, sent


def become(user):
    """Gives up being root for good."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connection_file", type=Path)
    parser.add_argument("--user")
    arguments = parser.parse_args()
    info = json.loads(arguments.connection_file.read_text())
    if arguments.user:
        become(arguments.user)
    peers, sent = fill(info)
    print(sent, flush=True)
    for _ in sys.stdin:
        print(sum(peer.is_alive() for peer in peers), flush=True)


if __name__ == "__main__":
    main()
