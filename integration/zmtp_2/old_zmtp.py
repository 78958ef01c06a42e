"""ZMTP 2.0 (RFC 15) over a bare TCP socket, in the turns in which libzmq 3.2 takes it, and Jupyter's messages on it."""

import hashlib
import hmac
import json
import socket
import struct
import uuid

SECONDS = 30
SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"
NUMBERS = {"PUB": 1, "SUB": 2, "REQ": 3, "REP": 4, "DEALER": 5, "ROUTER": 6}
MORE, LONG = 1, 2
DELIMITER = b"<IDS|MSG>"


class Connection:
    """A connection whose handshake is complete."""

    def __init__(self, plain, kind, identity=b""):
        self._socket = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.sendall(SIGNATURE)
        signature = self._read(10)
        assert signature[0] == 0xFF and signature[9] & 1, signature
        plain.sendall(bytes([1, NUMBERS[kind]]))
        version, self.peer = self._read(2)
        assert version >= 1, version
        plain.sendall(frame(identity))
        flags, self.peer_identity = self._frame()
        assert flags == 0, flags

    def send(self, frames):
        self._socket.sendall(b"".join(frame(each, MORE) for each in frames[:-1]) + frame(frames[-1]))

    def receive(self):
        """The frames of the next message. Nothing but frames may come: version 2.0 has no commands."""
        frames, more = [], MORE
        while more:
            flags, body = self._frame()
            assert flags & ~(MORE | LONG) == 0, f"flags {flags} in a connection of ZMTP 2.0"
            frames.append(body)
            more = flags & MORE
        return frames

    def _frame(self):
        flags = self._read(1)[0]
        length = struct.unpack(">Q", self._read(8))[0] if flags & LONG else self._read(1)[0]
        return flags, self._read(length)

    def _read(self, count):
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the connection has ended")
            data += piece
        return data

    def close(self):
        self._socket.close()


def frame(body, flags=0):
    header = bytes([flags, len(body)]) if len(body) < 256 else bytes([flags | LONG]) + struct.pack(">Q", len(body))
    return header + body


def signed(key, msg_type, content, session, parent=None, metadata=None):
    """The frames of a message, and its header."""
    header = {"msg_id": uuid.uuid4().hex, "session": session, "username": "old", "msg_type": msg_type, "version": "5.3"}
    header["date"] = "2013-01-01T00:00:00.000000Z"
    parts = [json.dumps(part).encode() for part in (header, parent or {}, metadata or {}, content)]
    return [DELIMITER, signature(key, parts), *parts], header


def read(key, frames):
    """The header, parent header and content of a message whose signature is right."""
    start = frames.index(DELIMITER)
    parts = frames[start + 2 : start + 6]
    assert signature(key, parts) == frames[start + 1], "a wrong signature"
    header, parent, _, content = (json.loads(part) for part in parts)
    return header, parent, content


def signature(key, parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest().encode()
