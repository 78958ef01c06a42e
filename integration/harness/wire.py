"""The Jupyter wire protocol by hand, over bare pyzmq: nothing here knows jupyter_client."""

import hashlib
import hmac
import json
import uuid
from datetime import datetime, timezone

import zmq

DELIMITER = b"<IDS|MSG>"
SECONDS = 30


class Wire:
    """Signs, sends and reads messages of one session."""

    def __init__(self, connection_file, key=None, needs=None):
        self.info = json.loads(connection_file.read_text())
        self.key = (key or self.info["key"]).encode()
        self.session = uuid.uuid4().hex
        self.metadata = {"fleet": needs} if needs else {}
        self.context = zmq.Context()

    def address(self, channel):
        port = self.info[f"{channel}_port"]
        if self.info["transport"] == "ipc":
            return f"ipc://{self.info['ip']}-{port}"
        return f"tcp://{self.info['ip']}:{port}"

    def socket(self, kind, channel, **options):
        """A connected socket; options are libzmq's, by their pyzmq names."""
        socket = self.context.socket(kind)
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(self.address(channel))
        return socket

    def sign(self, parts):
        return hmac.new(self.key, b"".join(parts), hashlib.sha256).hexdigest().encode()

    def message(self, msg_type, content=None, msg_id=None):
        """The frames of a request, delimiter first."""
        header = {
            "msg_id": msg_id or uuid.uuid4().hex,
            "session": self.session,
            "username": "wire",
            "date": datetime.now(timezone.utc).isoformat(),
            "msg_type": msg_type,
            "version": "5.4",
        }
        parts = [json.dumps(part).encode() for part in (header, {}, self.metadata, content or {})]
        return [DELIMITER, self.sign(parts), *parts]

    def read(self, socket, seconds=SECONDS):
        """The next message of `socket`: envelope or topic, header, parent header, content. Checks its signature."""
        assert socket.poll(seconds * 1000), f"no message within {seconds} s"
        frames = socket.recv_multipart()
        start = frames.index(DELIMITER)
        signature, *parts = frames[start + 1 : start + 6]
        assert hmac.compare_digest(signature, self.sign(parts)), "a message with a wrong signature"
        header, parent, _, content = (json.loads(part) for part in parts)
        return frames[:start], header, parent, content

    def ask(self, socket, msg_type, content=None, seconds=SECONDS):
        """Sends a request and returns the content of the next message, which must be its reply."""
        frames = self.message(msg_type, content)
        socket.send_multipart(frames)
        envelope, header, parent, answer = self.read(socket, seconds)
        assert parent["msg_id"] == json.loads(frames[2])["msg_id"]
        assert header["msg_type"] == msg_type.replace("request", "reply")
        assert envelope == []
        return answer

    def execute(self, socket, code):
        """Executes `code`; the content of the reply."""
        return self.ask(socket, "execute_request", execute_content(code))

    def close(self):
        self.context.destroy(linger=0)


def execute_content(code, silent=False):
    return {
        "code": code, "silent": silent, "store_history": False, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True,
    }


