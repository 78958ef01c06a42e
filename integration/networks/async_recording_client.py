"""A `recording_client` of asyncio's kind."""

import asyncio
import json
import sys
from pathlib import Path

import zmq.asyncio
from jupyter_client import AsyncKernelClient

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.client_process import answer_commands  # noqa: E402
from harness.recording_client import RecordingClient  # noqa: E402


class AsyncRecordingClient(RecordingClient):
    poller_class = zmq.asyncio.Poller
    client_class = AsyncKernelClient

    def __init__(self, **arguments):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        super().__init__(**arguments)

    def wait_for(self, value):
        async def awaited():
            return await value

        return self.loop.run_until_complete(awaited())


if __name__ == "__main__":
    answer_commands(AsyncRecordingClient(**json.loads(sys.argv[1])))
