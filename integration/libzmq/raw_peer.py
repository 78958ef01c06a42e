"""ZMTP 3.1 over a bare TCP socket: a peer that does what no library would, such as never reading.

As a program it is another process, and with `--user NAME` another user's: it fills what strangers may use with partial
messages, says on stdout how many bytes it got rid of, and at each line on stdin how many of its connections still live.
"""

import argparse
import json
import os
import pwd
import socket
import struct
import sys
from pathlib import Path

SECONDS = 10
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
# From large to small, so that the smallest fill what the large ones left.
PARTIAL_BYTES = [12 << 20] * 6 + [(4 << 20) >> halved for halved in range(12) for _ in range(2)]
ANNOUNCED_BYTES = 16 << 20
PIECE_BYTES = 64 << 10


# The state of a whole connection in `TCP_INFO` (linux/tcp.h).
ESTABLISHED = 1


class RawPeer:
    """One connection whose handshake is complete. `receive_buffer` is in bytes, for a peer that reads little."""

    def __init__(self, info, channel, kind, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((info["ip"], info[f"{channel}_port"]))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
        self.socket.sendall(GREETING + frame(ready, COMMAND))
        self._receive(len(GREETING))
        _, length = self._receive(2)
        self._receive(length)

    def _receive(self, count):
        received = b""
        while len(received) < count:
            piece = self.socket.recv(count - len(received))
            if not piece:
                raise ConnectionError("the connection ended in the middle of the handshake")
            received += piece
        return received

    def send(self, data):
        """Sends all of `data`; `False` if the connection has ended. A peer that is not read fails after a while."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            return False
        return True

    def is_alive(self):
        """Whether the other end has not closed the connection yet."""
        # Not by reading: what came and was never read would hide that the other end has closed.
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED

    def close(self):
        self.socket.close()


def frame(body, flags=0):
    """One frame of ZMTP (RFC 37)."""
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def ping(context=b"x" * 16):
    """A PING that wants no time to live."""
    return frame(b"\x04PING\0\0" + context, COMMAND)


def fill(info):
    """Opens connections that each send a part of a long message, for as long as they are let."""
    peers, sent = [], 0
    for size in PARTIAL_BYTES:
        peer = RawPeer(info, "shell", b"DEALER")
        peers.append(peer)
        peer.send(bytes([LONG]) + struct.pack(">Q", ANNOUNCED_BYTES))
        left = size
        while left > 0 and peer.is_alive() and peer.send(bytes(min(left, PIECE_BYTES))):
            left -= PIECE_BYTES
        sent += size - max(left, 0) if peer.is_alive() else 0
    return peers, sent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connection_file", type=Path)
    parser.add_argument("--user")
    arguments = parser.parse_args()
    info = json.loads(arguments.connection_file.read_text())
    if arguments.user:
        entry = pwd.getpwnam(arguments.user)
        os.setgroups([])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    peers, sent = fill(info)
    print(sent, flush=True)
    for _ in sys.stdin:
        print(sum(peer.is_alive() for peer in peers), flush=True)


if __name__ == "__main__":
    main()
