"""Handshakes that go wrong. Each attack returns how many connections were refused for it."""

import select

from raw_peer import COMMAND, GREETING, LONG, RawPeer, connected, frame, header, ping, prop, ready, reset, wait_until_cut


def refused(info, data, channel="shell"):
    """Sends `data` on a connection of its own, which must be cut for it."""
    plain = connected(info, channel)
    try:
        plain.sendall(data)
    except ConnectionError:
        pass
    wait_until_cut(plain)
    plain.close()
    return 1


def instead_of_ready(info):
    """After a greeting comes anything but a READY that serve could take."""
    socket_type = prop(b"Socket-Type", b"DEALER")
    bombs = [
        socket_type + b"".join(prop(b"X-%d" % number, b"") for number in range(2000)),
        socket_type + prop(b"X-Bomb", b"", announced=(1 << 32) - 1),
        socket_type + prop(b"X-Bomb", bytes(5000)),
        socket_type + b"\xffshort",
        socket_type + b"\x01",
        prop(b"", b"") * 700,
        prop(b"Socket-Type", b"SUB") + socket_type,
        prop(b"Socket-Type", b"") + socket_type,
        prop(b"Socket-Type", bytes(4000)),
        socket_type + prop(b"Identity", bytes(256)),
        socket_type + prop(b"Identity", bytes(256)) + prop(b"Identity", b"me"),
    ]
    data = [frame(b"\x05READY" + bomb, COMMAND) for bomb in bombs]
    data += [ping(), frame(b"\x05ERROR\x02no", COMMAND), frame(b"\x07UNKNOWN", COMMAND), frame(b"\x09SUBSCRIBE", COMMAND)]
    data += [frame(b"a message"), frame(b""), frame(b"part", 1), frame(b"\x05READY" + socket_type, COMMAND | 1)]
    data += [header(length, LONG | flag) for length in (4097, 1 << 31, 1 << 63, (1 << 64) - 1) for flag in (0, 1, COMMAND)]
    return sum(refused(info, GREETING + each) for each in data)


def no_greeting(info):
    """Other protocols, other versions, other mechanisms."""
    curve = GREETING[:12] + b"CURVE".ljust(20, b"\0") + GREETING[32:]
    strangers = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", bytes(64), b"\xff" * 64, GREETING[:10] + b"\x01" + bytes(53), curve]
    return sum(refused(info, each, channel) for each in strangers for channel in ("shell", "iopub", "hb"))


def slow_loris(info):
    """One connection for each byte of the handshake, which stops just there. All are cut, after the deadline."""
    handshake = GREETING + ready(b"DEALER", b"slow")
    waiting = []
    for length in range(len(handshake)):
        plain = connected(info, "shell")
        plain.sendall(handshake[:length])
        waiting.append(plain)
    # One more sends a byte now and then: it is not the silence that counts.
    dripping, left = connected(info, "shell"), iter(handshake[:-1])
    while waiting:
        readable, _, _ = select.select(waiting, [], [], 0.1)
        # All are sent serve's greeting, and READY perhaps; the end comes behind it.
        waiting = [plain for plain in waiting if plain not in readable or received(plain)]
        try:
            dripping.sendall(bytes([next(left)]))
        except ConnectionError:
            pass
    wait_until_cut(dripping)
    return len(handshake) + 1


def received(plain):
    try:
        return plain.recv(4096)
    except ConnectionError:
        return b""


def connects_and_resets(info, count):
    """Connections that are reset at once, some of them in the middle of their greeting."""
    for number in range(count):
        plain = connected(info, "shell")
        if number % 4 == 0:
            plain.sendall(GREETING[: number % 64])
        reset(plain)
    return count


def identities(info):
    """Identities of 0, 1 and 255 bytes are let in, one of 256 is not."""
    for length in (0, 1, 255):
        peer = RawPeer(info, "shell", identity=bytes(length))
        assert peer.is_alive()
        peer.close()
    return refused(info, GREETING + ready(b"DEALER", bytes(256)))

