"""A kernel that speaks ZMTP 2.0: it runs Python, one cell at a time.

With `--ancient`, it says on each connection what libzmq 2 says (ZMTP 1), and nothing else.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import socket
import threading

from old_zmtp import Connection, read, signed

KINDS = {"shell": "ROUTER", "control": "ROUTER", "stdin": "ROUTER", "iopub": "PUB", "hb": "REP"}
INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "old",
    "implementation_version": "1",
    "banner": "a kernel of 2013",
    "language_info": {"name": "python", "version": "3", "mimetype": "text/x-python", "file_extension": ".py"},
    "help_links": [],
}


class Kernel:
    def __init__(self, info, ancient):
        self._key, self._ancient = info["key"].encode(), ancient
        self._subscribers, self._stdin, self._turn, self._count = [], {}, threading.Lock(), 0
        self._names = {"input": self._input}
        for channel in KINDS:
            listener = socket.create_server((info["ip"], info[f"{channel}_port"]))
            threading.Thread(target=self._listen, args=(channel, listener), daemon=True).start()

    def _listen(self, channel, listener):
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=self._serve, args=(channel, plain), daemon=True).start()

    def _serve(self, channel, plain):
        if self._ancient:
            plain.sendall(b"\x01\0")
        with contextlib.suppress(ConnectionError):
            connection = Connection(plain, KINDS[channel])
            if channel == "stdin":
                self._stdin[connection.peer_identity] = connection
                return
            while True:
                frames = connection.receive()
                if channel == "hb":
                    connection.send(frames)
                elif channel == "iopub":
                    self._subscribers.append((connection, frames[0][1:]))
                else:
                    self._answer(connection, frames)

    def _answer(self, connection, frames):
        header, _, content = read(self._key, frames)
        with self._turn:
            self._asker, self._request = connection.peer_identity, header
            self._publish("status", {"execution_state": "busy"})
            kind = header["msg_type"]
            reply = self._execute(content) if kind == "execute_request" else INFO if kind == "kernel_info_request" else {"status": "ok"}
            connection.send(signed(self._key, kind.replace("request", "reply"), reply, "kernel", parent=header)[0])
            self._publish("status", {"execution_state": "idle"})
        if kind == "shutdown_request":
            os.kill(os.getpid(), signal.SIGTERM)

    def _execute(self, content):
        self._count += 1
        printed, error, result = io.StringIO(), None, None
        with contextlib.redirect_stdout(printed):
            try:
                try:
                    result = eval(content["code"], self._names)
                except SyntaxError:
                    exec(content["code"], self._names)
            except Exception as problem:
                error = {"ename": type(problem).__name__, "evalue": str(problem), "traceback": []}
        if printed.getvalue():
            self._publish("stream", {"name": "stdout", "text": printed.getvalue()})
        if error:
            self._publish("error", error)
            return {"status": "error", "execution_count": self._count, **error}
        if result is not None:
            self._publish("execute_result", {"execution_count": self._count, "data": {"text/plain": repr(result)}, "metadata": {}})
        return {"status": "ok", "execution_count": self._count, "user_expressions": {}}

    def _input(self, prompt=""):
        connection = self._stdin[self._asker]
        connection.send(signed(self._key, "input_request", {"prompt": prompt, "password": False}, "kernel", parent=self._request)[0])
        return read(self._key, connection.receive())[2]["value"]

    def _publish(self, kind, content):
        frames, _ = signed(self._key, kind, content, "kernel", parent=self._request)
        topic = f"kernel.{kind}".encode()
        for connection, wanted in self._subscribers:
            if topic.startswith(wanted):
                with contextlib.suppress(ConnectionError):
                    connection.send([topic, *frames])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connection_file")
    parser.add_argument("--ancient", action="store_true")
    arguments = parser.parse_args()
    with open(arguments.connection_file) as file:
        kernel = Kernel(json.load(file), arguments.ancient)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert kernel
    signal.pause()


if __name__ == "__main__":
    main()
