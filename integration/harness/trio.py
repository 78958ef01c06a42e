"""Three clients of one kernel, each a process of its own, and the transcript of what each of them hears."""

from harness.recorded_client import RecordedClient, line
from harness.recording_client import CHANNELS

PROCESS_ID = "import os\nos.getpid()"
A_MINUTE = "import time\nfor _ in range(600): time.sleep(0.1)"
NAMES = ("anna", "berta", "carla")


class Trio:
    """Anna, Berta and Carla; `transcripts` tells what each heard, `meet` where all of them are now."""

    def __init__(self, fleet, **needs):
        self.fleet = fleet
        self.clients = [RecordedClient(name, fleet, needs) for name in NAMES]
        self.fences = set()
        for client in self.clients:
            client.ready()
        self.meet()
        self.forget()

    def __iter__(self):
        return iter(self.clients)

    def kernel_id(self):
        """The id of the one kernel of the fleet."""
        files = set(self.fleet.home.runtime_dir.rglob("kernel-*.json")) - {self.fleet.published_file}
        [file] = files
        return file.stem.removeprefix("kernel-")

    def meet(self):
        """Each runs a cell, and all hear all of them to the end; returns the pid of the kernel that they share.

        What came before on any channel has been heard then: each channel keeps its order.
        """
        return self.meet_as(*self.clients)

    def meet_as(self, *clients):
        """The same with some of the three."""
        fences = {client: client.execute(PROCESS_ID) for client in clients}
        controls = {client: client.send("control", "connect_request") for client in clients}
        idle = [{"channel": "iopub", "parent": msg_id, "state": "idle"} for msg_id in fences.values()]
        processes = set()
        for client in clients:
            own = [{"channel": "shell", "parent": fences[client]}, {"channel": "control", "parent": controls[client]}]
            heard = client.listen(*own, *idle)
            results = [each for each in heard if each["msg_type"] == "execute_result" and each["parent"] == fences[client]]
            assert len(results) == 1, f"{client.name} heard {heard}"
            processes.add(int(results[0]["content"]["data"]["text/plain"]))
        self.fences |= {*fences.values(), *controls.values()}
        assert len(processes) == 1, f"not one kernel but those of the processes {processes}"
        return processes.pop()

    def run(self, client, code):
        """Runs a cell of one client that is no part of the transcripts; returns the text of its result."""
        msg_id = client.execute(code)
        self.fences.add(msg_id)
        heard = client.listen({"channel": "shell", "parent": msg_id}, {"channel": "iopub", "parent": msg_id, "state": "idle"})
        results = [each["content"] for each in heard if (each["parent"], each["msg_type"]) == (msg_id, "execute_result")]
        return results[0]["data"]["text/plain"] if results else None

    def forget(self):
        """What has been heard until now is no part of the next transcripts."""
        for client in self.clients:
            client.take()

    def start_cell(self, client, code=A_MINUTE):
        """Runs a cell of `client` that takes a minute; returns its id once all hear it run."""
        msg_id = client.execute(f"print('runs', flush=True)\n{code}")
        for each in self.clients:
            each.listen({"msg_type": "stream", "parent": msg_id})
        self.forget()
        return msg_id

    def queue_cell(self, client, code="print('queued')"):
        """Sends a cell behind the one that runs; returns its id once it has gone to the kernel.

        The proxy answers `connect_request` itself, in the order of the channel, and says then that the kernel is busy; a
        plain kernel answers when it gets there.
        """
        msg_id = client.execute(code)
        if not self.fleet.is_direct:
            client.request("shell", "connect_request")
            client.listen({"channel": "iopub", "state": "busy", "parent": None})
        client.take()
        return msg_id

    def hear(self, **wanted):
        """Waits until each has heard a message with these fields, or this `state`."""
        for client in self.clients:
            client.listen(wanted)

    def transcripts(self):
        """What each client heard since `forget`, by client and channel, without the cells of `meet`."""
        return {client: self.transcript(client.take()) for client in self.clients}

    def transcript(self, heard):
        heard = list(self.without_fences(heard))
        sessions = {client.session: client.name for client in self.clients}
        return Transcript(heard, {
            channel: [line(message, sessions) for message in heard if message["channel"] == channel] for channel in CHANNELS
        })

    def without_fences(self, heard):
        """Also without the proxy's word, behind its answer to a fence, that the kernel is still busy."""
        is_answer = False
        for message in heard:
            is_fence = message["parent"] in self.fences
            if not is_fence and not (is_answer and message["parent"] is None and message["content"] == {"execution_state": "busy"}):
                yield message
            if message["channel"] == "iopub":
                is_answer = is_fence and message["content"] == {"execution_state": "idle"}

    def close(self):
        for client in self.clients:
            client.close()


class Transcript:
    """What one client heard: lines by channel, and the messages themselves for a look at their words."""

    def __init__(self, messages, lines):
        self.messages = messages
        self.lines = lines

    def is_exactly(self, shell=(), control=(), iopub=(), stdin=()):
        expected = {"shell": list(shell), "control": list(control), "iopub": list(iopub), "stdin": list(stdin)}
        assert self.lines == expected, f"heard {self.lines}\nexpected {expected}"

    def contents(self, channel, msg_type):
        wanted = (channel, msg_type)
        return [each["content"] for each in self.messages if (each["channel"], each["msg_type"]) == wanted]
