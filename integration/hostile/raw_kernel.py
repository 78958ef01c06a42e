"""A kernel over bare sockets that misbehaves on demand: the code of a cell names what it is to do (`misdeeds.py`).

Else it is a good kernel: it says busy and idle, replies in turn, and echoes heartbeats.
"""

import argparse
import json
import selectors
import socket
import struct

import misdeeds
from raw_peer import COMMAND, GREETING, LONG, MORE, frame, message, prop, signed

CHANNELS = {"shell": b"ROUTER", "control": b"ROUTER", "stdin": b"ROUTER", "iopub": b"PUB", "hb": b"REP"}
INFO = {
    "status": "ok",
    "protocol_version": "5.4",
    "implementation": "raw",
    "implementation_version": "1",
    "banner": "a kernel that misbehaves",
    "language_info": {"name": "misdeeds", "version": "1", "mimetype": "text/plain", "file_extension": ".txt"},
    "help_links": [],
}


class Line:
    """One connection to one channel: cuts what comes into messages, and answers the handshake and PINGs."""

    def __init__(self, kernel, channel, plain):
        self.channel, self.socket, self._kernel = channel, plain, kernel
        self._buffer, self._greeted, self._parts = b"", False, []
        self._own = GREETING + frame(b"\x05READY" + prop(b"Socket-Type", CHANNELS[channel]), COMMAND)
        plain.sendall(self._own)

    def read(self):
        """Takes what has come; `False` at its end."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            return False
        self._buffer += data
        if not self._greeted and len(self._buffer) >= 64:
            self._buffer, self._greeted = self._buffer[64:], True
        while self._greeted and (found := self._frame()):
            self._take(*found)
        return bool(data)

    def _frame(self):
        if len(self._buffer) < 2:
            return None
        flags, length, start = self._buffer[0], self._buffer[1], 2
        if flags & LONG:
            if len(self._buffer) < 9:
                return None
            length, start = struct.unpack(">Q", self._buffer[1:9])[0], 9
        if len(self._buffer) < start + length:
            return None
        body, self._buffer = self._buffer[start : start + length], self._buffer[start + length :]
        return flags, body

    def _take(self, flags, body):
        if flags & COMMAND:
            if body.startswith(b"\x04PING"):
                self.send(frame(b"\x04PONG" + body[7:], COMMAND))
            return
        self._parts.append(body)
        if not flags & MORE:
            parts, self._parts = self._parts, []
            self._kernel.take(self, parts)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass


class Kernel:
    """The five channels, and what is asked on them."""

    def __init__(self, info, habit):
        self.info, self.habit, self.key = info, habit, info["key"].encode()
        self.lines, self.listeners, self._selector = {}, {}, selectors.DefaultSelector()
        for channel in CHANNELS:
            self.listen(channel)

    def listen(self, channel):
        listener = socket.create_server((self.info["ip"], self.info[f"{channel}_port"]))
        self.listeners[channel] = listener
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(channel, listener))

    def _accept(self, channel, listener):
        line = Line(self, channel, listener.accept()[0])
        self.lines.setdefault(channel, []).append(line)
        self._selector.register(line.socket, selectors.EVENT_READ, lambda: self._read(line))

    def _read(self, line):
        if not line.read():
            self.hang_up(line)

    def hang_up(self, line):
        if line.socket.fileno() >= 0:
            self._selector.unregister(line.socket)
            line.socket.close()
        self.lines[line.channel] = [each for each in self.lines[line.channel] if each is not line]

    def run(self):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj.fileno() >= 0:
                    key.data()

    def take(self, line, parts):
        if line.channel == "hb":
            if self.habit != "never echoes":
                line.send(message(parts))
        elif line.channel != "iopub":
            self._request(line, json.loads(parts[2]), json.loads(parts[5]))

    def _request(self, line, header, content):
        kind = header["msg_type"]
        if kind == "shutdown_request":
            raise SystemExit
        self.publish("status", {"execution_state": "busy"}, header)
        if kind == "kernel_info_request":
            self.reply(line, "kernel_info_reply", misdeeds.known_info(self.habit, INFO), header)
        elif kind == "execute_request" and misdeeds.do(self, line, header, content["code"]):
            self.reply(line, "execute_reply", {"status": "ok", "execution_count": 1, "user_expressions": {}}, header)
        elif kind == "comm_msg":
            self.publish("stream", {"name": "stdout", "text": "overheard"}, header)
        self.publish("status", {"execution_state": "idle"}, header)

    def reply(self, line, kind, content, parent):
        line.send(message(signed(self.key, kind, content, "raw kernel", parent=parent)[0]))

    def publish(self, kind, content, parent):
        """Says something on iopub."""
        data = message([b"topic", *signed(self.key, kind, content, "raw kernel", parent=parent)[0]])
        for line in self.lines.get("iopub", []):
            line.send(data)

    def ask(self, prompt, parent):
        """Asks for input."""
        content = {"prompt": prompt, "password": False}
        for line in self.lines.get("stdin", []):
            line.send(message(signed(self.key, "input_request", content, "raw kernel", parent=parent)[0]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connection_file")
    parser.add_argument("--habit", default="")
    arguments = parser.parse_args()
    with open(arguments.connection_file) as file:
        info = json.load(file)
    Kernel(info, arguments.habit).run()


if __name__ == "__main__":
    main()
