"""The test's end of a `peer_process`."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("peer_process.py")
SILENCE_SECONDS = 0.5
ANSWER_SECONDS = 20


class RemotePeer:
    """A peer of the same user in another process, connected once this returns."""

    def __init__(self, fleet, identity, *channels, session="remote", needs=None):
        self.session, self.needs = session, needs or {"runtime": "lua", "group": "remote"}
        order = {"info": fleet.info, "channels": channels, "identity": identity}
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), json.dumps(order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        assert self._answer() == "connected"

    def say(self, channel, msg_type, content=None):
        """Sends a message with the right key; returns its msg_id."""
        return self._do("say", channel=channel, msg_type=msg_type, content=content or {}, session=self.session, needs=self.needs)

    def subscribes(self):
        """Subscribes to everything on iopub."""
        self._do("subscribe")

    def shows_key(self, channel):
        """Shows that it holds the key; the answer waits for no cell."""
        self.say(channel, "connect_request")
        assert self.hears(channel)[0] == "connect_reply"

    def hears(self, channel, seconds=ANSWER_SECONDS):
        """The type and content of the next message."""
        return self._do("heard", channel=channel, seconds=seconds)

    def is_silent(self, *channels):
        """Whether nothing has come on any of these, and nothing does for a moment."""
        return not any(self.hears(channel, SILENCE_SECONDS) for channel in channels)

    def _do(self, what, **arguments):
        self._process.stdin.write(json.dumps({"do": what} | arguments) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, "the peer's process has ended"
        return json.loads(line)

    def close(self):
        self._process.kill()
        self._process.communicate()
