"""More of everything than anyone needs. Each attack returns how many events there were that serve counts."""

import json
import time

from raw_peer import COMMAND, RawPeer, frame, message, ping, signed

TOPIC = b"\x09SUBSCRIBE%d"


def badly_signed(info, messages):
    """Messages signed with another key; the third ends its connection."""
    sent = 0
    while sent < messages:
        peer = RawPeer(info, "shell", identity=b"flood")
        for _ in range(3):
            peer.send(message(signed(b"not the key", "execute_request", {"code": "stolen = 1"})[0]))
        peer.wait_until_cut()
        peer.close()
        sent += 3
    return sent


def broken_messages(info, messages):
    """Messages that are no Jupyter messages: no delimiter, too few parts, nothing at all."""
    kinds = [[b"no delimiter"], [b"<IDS|MSG>"], [b"<IDS|MSG>", b"", b"{}", b"{}"], [b""], [b"", b"", b""]]
    sent = 0
    while sent < messages:
        peer = RawPeer(info, "control")
        for number in range(3):
            peer.send(message(kinds[(sent + number) % len(kinds)]))
        peer.wait_until_cut()
        peer.close()
        sent += 3
    return sent


def replayed(info, recorded, times):
    """A message of somebody else's that was overheard, again and again. It is neither run nor answered."""
    frames, sent = [bytes.fromhex(part) for part in recorded], 0
    while sent < times:
        peer = RawPeer(info, "shell")
        for _ in range(3):
            peer.send(message(frames))
        peer.wait_until_cut()
        peer.close()
        sent += 3
    return sent


def subscriptions(info, connections):
    """More topics than anyone has, topics without end, and the same one coming and going."""
    for _ in range(connections):
        many = RawPeer(info, "iopub")
        many.send(b"".join(frame(TOPIC % number, COMMAND) for number in range(1000)))
        many.wait_until_cut()
        many.close()
        long = RawPeer(info, "iopub")
        long.send(frame(b"\x09SUBSCRIBE" + bytes(1025), COMMAND))
        long.wait_until_cut()
        long.close()
        fickle = RawPeer(info, "iopub")
        fickle.send((frame(b"\x09SUBSCRIBE", COMMAND) + frame(b"\x06CANCEL", COMMAND)) * 5_000)
        fickle.close()
    return 2 * connections


def old_subscriptions(info, connections):
    """The same in the form of ZMTP 3.0, a message whose first byte is 1."""
    for _ in range(connections):
        peer = RawPeer(info, "iopub")
        peer.send(b"".join(frame(b"\x01%d" % number) for number in range(1000)))
        peer.wait_until_cut()
        peer.close()
    return connections


def pings_that_nobody_reads(info):
    """PINGs without end, and no answer is read."""
    peer = RawPeer(info, "shell", receive_buffer=4096)
    while peer.is_alive() and peer.send(ping() * 20_000):
        pass
    peer.close()
    return 1


def listens(info, patience):
    """Subscribes to everything, and returns how many messages came within so many seconds."""
    peer = RawPeer(info, "iopub")
    peer.send(frame(b"\x09SUBSCRIBE", COMMAND))
    heard, end = 0, time.monotonic() + patience
    while (left := end - time.monotonic()) > 0:
        peer.socket.settimeout(left)
        try:
            heard += bool(peer.receive_message())
        except TimeoutError:
            pass
    return heard


def fast_requests(info, requests):
    """A client with the key that asks without reading a single answer."""
    peer = RawPeer(info, "shell", receive_buffer=4096, identity=b"fast")
    key = info["key"].encode()
    metadata = json.loads('{"fleet": {"runtime": "lua", "group": "fast"}}')
    for _ in range(requests):
        frames, _ = signed(key, "kernel_info_request", session="fast", metadata=metadata)
        if not peer.send(message(frames)):
            break
    peer.close()
    return 0
