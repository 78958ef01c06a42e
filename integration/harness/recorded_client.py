"""The test's end of a `recording_client`: what a client heard, in words that a test can spell out."""

from pathlib import Path

from harness.remote_client import RemoteClient

LISTEN_SECONDS = 40


class RecordedClient(RemoteClient):
    """A client in a process of its own. `name` is how transcripts call it, and the user name in its headers."""

    script = Path(__file__).with_name("recording_client.py")

    def __init__(self, name, fleet, needs, connection_file=None, **where):
        connection_file = connection_file or fleet.connection_file(needs)
        super().__init__(connection_file, fleet.environment, needs, username=name, **where)
        self.name = name
        self.session = None

    def ready(self):
        self.session = super().ready()

    def execute(self, code):
        """Sends a cell and returns its id."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        return self.send("shell", "execute_request", {**content, "stop_on_error": True})

    def send(self, channel, msg_type, content=None):
        """Sends a request and returns its id."""
        return self.command("send", channel=channel, msg_type=msg_type, content=content or {})["msg_id"]

    def request(self, channel, msg_type, content=None):
        """Sends a request and returns the content of its reply."""
        msg_id = self.send(channel, msg_type, content)
        heard = self.listen({"channel": channel, "parent": msg_id})
        return next(message["content"] for message in heard if (message["channel"], message["parent"]) == (channel, msg_id))

    def listen(self, *wanted):
        """Returns all heard since the last `take`, once each of `wanted` (fields of a message) is among it."""
        answer = self.command("listen", wanted=wanted, seconds=LISTEN_SECONDS)
        assert not answer["missing"], f"{self.name} never heard {answer['missing']}, but {answer['heard']}"
        return answer["heard"]

    def take(self):
        """Everything heard since the last time, in the order of each channel."""
        return self.command("take")["heard"]


def line(message, sessions):
    """A message as one line: what it is, and whose request it belongs to: `status idle (nobody)`."""
    content = message["content"]
    words = [message["msg_type"], content.get("execution_state"), content.get("status"), content.get("ename")]
    session = message["parent_session"]
    parent = sessions.get(session, "a stranger") if session else "nobody"
    return f"{' '.join(filter(None, words))} ({parent})"
