"""Frames and commands that nobody may send. Each attack returns how many connections were cut for it."""

import time

from raw_peer import COMMAND, LONG, MORE, RawPeer, frame, header, prop, ready

CHANNELS = ("shell", "control", "stdin", "iopub", "hb")
LENGTHS = [(512 << 20) + 1, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
MILLION = 1_000_000
# Well before strangers are cut for taking too long.
SETTLED_SECONDS = 6


def cut_by(info, channel, data):
    """Sends `data` on a connection of its own, which must be cut for it."""
    peer = RawPeer(info, channel)
    peer.send(data)
    peer.wait_until_cut()
    peer.close()
    return 1


def lengths(info):
    """Every kind of frame announces more than anyone may send, and a little of it comes."""
    flags = [LONG, LONG | MORE, LONG | COMMAND]
    return sum(
        cut_by(info, channel, header(length, flag) + b"some of it")
        for channel in CHANNELS
        for flag in flags
        for length in LENGTHS
    )


def long_sums(info):
    """Each frame is allowed, their sum is not: it is refused before it comes."""
    parts = frame(bytes(9 << 20), MORE) + header(9 << 20, LONG)
    return sum(cut_by(info, channel, parts) for channel in ("shell", "control", "stdin"))


def empty_parts(info, channel):
    """A million empty frames that never come to an end."""
    return cut_by(info, channel, bytes([MORE, 0]) * MILLION)


def short_commands(info):
    """Commands in short frames whose insides do not fit, and flags that no command has."""
    bodies = [b"", b"\xffREADY", b"\x04PING", b"\x04PING\0", b"\x04PING\0\0" + b"c" * 17, b"\x05READY\x01a\xff\xff\xff\xff"]
    data = [frame(body, COMMAND) for body in bodies]
    data += [frame(b"\x04PING\0\0", COMMAND | MORE), bytes([8, 0]), bytes([0x80, 0]), bytes([0xFF, 0])]
    inside = frame(b"part", MORE) + frame(b"\x09SUBSCRIBE", COMMAND)
    count = sum(cut_by(info, channel, each) for channel in CHANNELS for each in [*data, inside])
    # It comes together with something that is served.
    return count + cut_by(info, "iopub", frame(b"\x01topic") + inside)


def misplaced_commands(info):
    """Commands that are well formed, and have no place there."""
    subscribe, cancel = frame(b"\x09SUBSCRIBE", COMMAND), frame(b"\x06CANCEL", COMMAND)
    anywhere = [ready(b"DEALER"), frame(b"\x05ERROR\x02no", COMMAND), frame(b"\x07UNKNOWN", COMMAND) * 17]
    anywhere += [frame(b"\x05READY" + prop(b"Socket-Type", b"SUB") + prop(b"X-Late", b"1"), COMMAND)]
    count = sum(cut_by(info, channel, each) for channel in CHANNELS for each in anywhere)
    signed = [channel for channel in CHANNELS if channel != "iopub"]
    count += sum(cut_by(info, channel, each) for channel in signed for each in (subscribe, cancel))
    return count + sum(cut_by(info, "iopub", frame(each)) for each in (b"", b"\x02", b"hello"))


def stalled_parts(info, connections):
    """Many connections, each with as many empty frames as a message may have but one, and no end."""
    peers = [RawPeer(info, "shell") for _ in range(connections)]
    for peer in peers:
        peer.send(bytes([MORE, 0]) * 16_383)
    deadline = time.monotonic() + SETTLED_SECONDS
    while sum(peer.is_alive() for peer in peers) > connections // 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    cut = sum(not peer.is_alive() for peer in peers)
    for peer in peers:
        peer.close()
    return cut
