"""Somebody on the way between a client and serve: hands on what passes, and keeps a copy."""

import json
import socket
import threading

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
PIECE_BYTES = 1 << 16


class Eavesdropper:
    """Listens at a port for each of serve's; `file` is the connection file that leads through here."""

    def __init__(self, info, file):
        self._sockets, self._heard, self._lock = [], bytearray(), threading.Lock()
        through = {port: self._listen((info["ip"], info[port])) for port in PORTS}
        file.write_text(json.dumps(info | through))

    @property
    def heard(self):
        with self._lock:
            return bytes(self._heard)

    def _listen(self, there):
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        self._start(self._accept, listener, there)
        return listener.getsockname()[1]

    def _accept(self, listener, there):
        try:
            while True:
                here, _ = listener.accept()
                beyond = socket.create_connection(there)
                self._sockets += [here, beyond]
                self._start(self._carry, here, beyond)
                self._start(self._carry, beyond, here)
        except OSError:
            return

    def _carry(self, source, sink):
        try:
            while piece := source.recv(PIECE_BYTES):
                with self._lock:
                    self._heard += piece
                sink.sendall(piece)
        except OSError:
            return

    @staticmethod
    def _start(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def close(self):
        for each in self._sockets:
            # Who waits in `accept` or `recv` is woken by this, not by `close`.
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
