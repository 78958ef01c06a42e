"""Clients on either side of the network."""

from pathlib import Path

from harness.recorded_client import RecordedClient

LISTEN_SECONDS = 30
SHOWN_MESSAGES = 12


class FarClient(RecordedClient):
    """A blocking client on the other side of the network."""

    def __init__(self, name, fleet, network, needs):
        super().__init__(name, fleet, needs, network.far_file(fleet), inside=network.client_side)

    def listen(self, *wanted):
        """As that of other recorded clients, whose failures would be too long to read here."""
        answer = self.command("listen", wanted=wanted, seconds=LISTEN_SECONDS)
        heard = [(each["channel"], each["msg_type"], str(each["content"])[:60], each["parent"]) for each in answer["heard"]]
        assert not answer["missing"], f"{self.name} never heard {answer['missing']}, but lastly {heard[-SHOWN_MESSAGES:]}"
        return answer["heard"]

    def hear_out(self, msg_id):
        """Returns all heard since the last `take`, once this cell has ended on shell and on iopub."""
        return self.listen({"channel": "shell", "parent": msg_id}, {"channel": "iopub", "parent": msg_id, "state": "idle"})

    def run(self, code):
        """Runs a cell; returns the text of its result."""
        msg_id = self.execute(code)
        results = [each for each in self.hear_out(msg_id) if (each["parent"], each["msg_type"]) == (msg_id, "execute_result")]
        return results[0]["content"]["data"]["text/plain"] if results else None


class AsyncFarClient(FarClient):
    """The same of asyncio's kind."""

    script = Path(__file__).with_name("async_recording_client.py")


class NearClient(FarClient):
    """A client on the fleet's side, which no fault of the network can touch."""

    def __init__(self, name, fleet, network, needs):
        RecordedClient.__init__(self, name, fleet, needs, inside=network.fleet_side)
