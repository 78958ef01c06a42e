"""ZMTP 3.1 over a bare TCP socket: a peer that does what no library would, such as never reading."""

import hashlib
import hmac
import json
import socket
import struct
import uuid

SECONDS = 10
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
DELIMITER = b"<IDS|MSG>"
# The socket type that may talk to each channel.
KINDS = {"shell": b"DEALER", "control": b"DEALER", "stdin": b"DEALER", "iopub": b"SUB", "hb": b"REQ"}

# The state of a whole connection in `TCP_INFO` (linux/tcp.h).
ESTABLISHED = 1


class RawPeer:
    """One connection whose handshake is complete. `receive_buffer` is in bytes, for a peer that reads little."""

    def __init__(self, info, channel, kind=None, receive_buffer=None, identity=None):
        self.socket = connected(info, channel, receive_buffer)
        self.socket.sendall(GREETING + ready(kind or KINDS[channel], identity))
        self._receive(len(GREETING))
        self.receive_frame()

    def receive_frame(self):
        """The next frame: its flags and its body."""
        flags, length = self._receive(2)
        if flags & LONG:
            length = struct.unpack(">Q", bytes([length]) + self._receive(7))[0]
        return flags, self._receive(length)

    def receive_message(self):
        """The frames of the next message; PINGs in between are answered."""
        frames, more = [], MORE
        while more:
            flags, body = self.receive_frame()
            if flags & COMMAND:
                if body.startswith(b"\x04PING"):
                    self.send(frame(b"\x04PONG" + body[7:], COMMAND))
                continue
            frames.append(body)
            more = flags & MORE
        return frames

    def _receive(self, count):
        received = b""
        while len(received) < count:
            piece = self.socket.recv(count - len(received))
            if not piece:
                raise ConnectionError("the connection has ended")
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

    def is_silent(self, seconds):
        """Whether nothing comes for so long; what does come is not taken."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(SECONDS)

    def wait_until_cut(self):
        """Reads until the other end closes the connection; fails if it does not."""
        wait_until_cut(self.socket)

    def reset(self):
        """Ends the connection without a goodbye (RST)."""
        reset(self.socket)

    def close(self):
        self.socket.close()


def connected(info, channel, receive_buffer=None):
    """A TCP connection to a channel, on which nothing has been said."""
    plain = socket.socket()
    plain.settimeout(SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.connect((info["ip"], info[f"{channel}_port"]))
    return plain


def wait_until_cut(plain):
    try:
        while plain.recv(1 << 16):
            pass
    except ConnectionError:
        pass


def reset(plain):
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def frame(body, flags=0):
    """One frame of ZMTP (RFC 37)."""
    return header(len(body), flags) + body


def header(length, flags=0):
    """The header of a frame, whether or not its body follows."""
    if length > 255 or flags & LONG:
        return bytes([flags | LONG]) + struct.pack(">Q", length)
    return bytes([flags, length])


def message(frames):
    """A message of several frames."""
    return b"".join(frame(each, MORE) for each in frames[:-1]) + frame(frames[-1])


def prop(name, value, announced=None):
    """A property of READY, which may announce another length than it has."""
    return bytes([len(name)]) + name + struct.pack(">I", len(value) if announced is None else announced) + value


def ready(kind, identity=None):
    """The frame that ends a handshake."""
    own = prop(b"Identity", identity) if identity is not None else b""
    return frame(b"\x05READY" + prop(b"Socket-Type", kind) + own, COMMAND)


def ping(context=b"x" * 16):
    """A PING that wants no time to live."""
    return frame(b"\x04PING\0\0" + context, COMMAND)


def signed(key, msg_type, content=None, session="raw", metadata=None, parent=None):
    """The frames of a Jupyter message, and its msg_id."""
    msg_id = uuid.uuid4().hex
    own = {"msg_id": msg_id, "session": session, "username": "raw", "date": "2020-01-01T00:00:00Z", "msg_type": msg_type, "version": "5.4"}
    parts = [json.dumps(part).encode() for part in (own, parent or {}, metadata or {}, content or {})]
    signature = hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest().encode()
    return [DELIMITER, signature, *parts], msg_id
