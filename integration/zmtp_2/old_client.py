"""A Jupyter client that speaks ZMTP 2.0."""

import socket
import uuid

from old_zmtp import SECONDS, Connection, read, signed

KINDS = {"shell": "DEALER", "control": "DEALER", "stdin": "DEALER", "iopub": "SUB", "hb": "REQ"}


class OldClient:
    """Five connections, one session, one request at a time."""

    def __init__(self, info, **needs):
        self._key, self._needs, self._session = info["key"].encode(), needs, uuid.uuid4().hex
        self.connections = {channel: self._connect(info, channel) for channel in KINDS}
        self.connections["iopub"].send([b"\x01"])

    def _connect(self, info, channel):
        plain = socket.create_connection((info["ip"], info[f"{channel}_port"]), timeout=SECONDS)
        kind = KINDS[channel]
        return Connection(plain, kind, self._session.encode() if kind == "DEALER" else b"")

    def request(self, msg_type, content, channel="shell"):
        """The content of the reply."""
        metadata = {"fleet": self._needs} if self._needs else {}
        frames, header = signed(self._key, msg_type, content, self._session, metadata=metadata)
        self.connections[channel].send(frames)
        self._asked = header["msg_id"]
        while True:
            _, parent, content = read(self._key, self.connections[channel].receive())
            if parent.get("msg_id") == self._asked:
                return content

    def execute(self, code, answer=None):
        """The reply's content and what was published, up to idle; `answer` is what a question is answered with."""
        metadata = {"fleet": self._needs} if self._needs else {}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": answer is not None}
        frames, header = signed(self._key, "execute_request", content, self._session, metadata=metadata)
        self.connections["shell"].send(frames)
        if answer is not None:
            question, _, _ = read(self._key, self.connections["stdin"].receive())
            assert question["msg_type"] == "input_request", question
            reply, _ = signed(self._key, "input_reply", {"value": answer}, self._session, parent=question)
            self.connections["stdin"].send(reply)
        published = []
        while ("status", "idle") not in published:
            said, parent, content = read(self._key, self.connections["iopub"].receive())
            if parent.get("msg_id") == header["msg_id"]:
                kind = said["msg_type"]
                published.append((kind, content["execution_state"]) if kind == "status" else (kind, content))
        while True:
            _, parent, content = read(self._key, self.connections["shell"].receive())
            if parent.get("msg_id") == header["msg_id"]:
                return content, published

    def heartbeat(self, data):
        """What the other end echoes."""
        self.connections["hb"].send([b"", data])
        return self.connections["hb"].receive()[-1]

    def close(self):
        for connection in self.connections.values():
            connection.close()
