"""What is refused is counted: serve tells the counts when it ends."""

import re
import signal

import pytest
import zmq
from test_strangers import three_parts, unsigned, without_delimiter

from harness.wire import Wire


@pytest.mark.proxy_only
def test_refused_messages_are_counted_by_their_kind(launch):
    fleet = launch()
    try:
        fleet.start()
        needs = {"runtime": "lua"}
        peer = Wire(fleet.connection_file(needs), None, needs)
        message = peer.message("kernel_info_request")
        # One connection each: the third bad message would end it.
        for bad in (without_delimiter(message), three_parts(message), unsigned(message)):
            shell = peer.socket(zmq.DEALER, "shell")
            shell.send_multipart(bad)
            assert peer.ask(shell, "kernel_info_request")["status"] == "ok"
        shell = peer.socket(zmq.DEALER, "shell")
        shell.send_multipart(message)
        assert peer.read(shell)[3]["status"] == "ok"
        shell.send_multipart(message)
        assert peer.ask(shell, "kernel_info_request")["status"] == "ok"
        peer.close()
        fleet.process.send_signal(signal.SIGTERM)
        assert fleet.exit_code() == 0
        counts = dict(re.findall(r"(\w+)=(\d+)", fleet.stderr.splitlines()[-1]))
        told = {kind: counts[kind] for kind in ("malformed", "badly_signed", "replayed", "lost")}
        assert told == {"malformed": "2", "badly_signed": "1", "replayed": "1", "lost": "0"}
    finally:
        fleet.clear()
