"""Several iopub connections of one client's process: what most of them get is written once for all of them."""

import re

import pytest
import zmq
from burst import burst_code
from jupyter_client.session import Session

from harness.clients import execute, reply_to
from harness.deadline import Deadline
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only

# More than one queue and the buffers of TCP hold.
COUNT, PADDING = 20_000, 1000
LISTENERS = 6
SECONDS = 60
SMALL_LIMITS = {"config": f"{CONFIG}\n[limits]\noutbox_bytes = 8_000_000\n"}


class Listener:
    """A SUB socket beside the client's own."""

    def __init__(self, client, topic=b"", **options):
        self.session = Session(key=client.session.key)
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        for name, value in options.items():
            self.socket.setsockopt(getattr(zmq, name), value)
        self.socket.subscribe(topic)
        self.socket.connect(f"tcp://{client.ip}:{client.iopub_port}")
        # With it, the fleet says that the connection hears its client's kernel.
        assert self.next(Deadline(SECONDS))["msg_type"] == "iopub_welcome"

    def next(self, deadline):
        """The next message, whose signature is checked."""
        assert self.socket.poll(int(deadline.left * 1000)), "nothing more on iopub"
        _topics, parts = self.session.feed_identities(self.socket.recv_multipart())
        return self.session.deserialize(parts)

    def hear(self, msg_id, is_last):
        """All that answers a request, up to and with the last."""
        heard, deadline = [], Deadline(SECONDS)
        while not (heard and is_last(heard[-1])):
            message = self.next(deadline)
            if message["parent_header"].get("msg_id") == msg_id:
                heard.append(message)
        return heard

    def close(self):
        self.socket.close(linger=0)


@pytest.fixture
def listen():
    listeners = []

    def listen(client, **options):
        listeners.append(Listener(client, **options))
        return listeners[-1]

    yield listen
    for listener in listeners:
        listener.close()


def is_idle(message):
    return message["content"].get("execution_state") == "idle"


def numbers(messages):
    texts = [message["content"]["text"] for message in messages if message["content"].get("name") == "stdout"]
    return [int(text.rstrip("y\n")) for text in texts]


@pytest.mark.parametrize("own_fleet", [SMALL_LIMITS], indirect=True)
def test_each_listener_hears_all_that_it_wants_in_order_and_the_slow_one_what_it_missed(own_fleet, connect_own, listen):
    client = connect_own()
    assert execute(client, "1").status == "ok"
    all_ears = [listen(client, RCVHWM=0) for _ in range(LISTENERS)]
    choosy = listen(client, topic=b"st", RCVHWM=0)
    choosy.socket.subscribe(b"kernel")
    slow = listen(client, RCVHWM=1, RCVBUF=1 << 16)

    msg_id = client.execute(burst_code(COUNT, PADDING))
    assert reply_to(client, msg_id, seconds=SECONDS)["content"]["status"] == "ok"
    for listener in all_ears:
        heard = listener.hear(msg_id, is_idle)
        assert numbers(heard) == list(range(COUNT))
        assert [kind["msg_type"] for kind in heard if kind["msg_type"] != "stream"] == ["status", "execute_input", "status"]
    assert numbers(choosy.hear(msg_id, lambda message: numbers([message]) == [COUNT - 1])) == list(range(COUNT))

    heard = slow.hear(msg_id, is_idle)
    notices = [message["content"]["text"] for message in heard if message["content"].get("name") == "stderr"]
    lost = sum(int(re.search(r"(\d+) messages were lost", notice)[1]) for notice in notices)
    assert 0 < lost == COUNT - len(numbers(heard)), "what is not heard is told"
    assert numbers(heard) == sorted(set(numbers(heard)))


def test_large_and_small_messages_keep_their_order(own_fleet, connect_own, listen):
    client = connect_own()
    assert execute(client, "1").status == "ok"
    listeners = [listen(client, RCVHWM=0) for _ in range(LISTENERS)]
    sizes = [10, 100_000, 20, 8_000, 8_192, 30, 300_000] * 20
    code = f"from IPython.display import display\nfor n in {sizes}: display({{'text/plain': 'x' * n}}, raw=True)"
    msg_id = client.execute(code)
    for listener in listeners:
        heard = listener.hear(msg_id, is_idle)
        shown = [message["content"]["data"]["text/plain"] for message in heard if message["msg_type"] == "display_data"]
        assert [len(text) for text in shown] == sizes
