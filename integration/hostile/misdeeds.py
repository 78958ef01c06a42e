"""What a malicious kernel does: the code of a cell is the name of a function here, and its argument as JSON."""

import hashlib
import hmac
import json

from raw_peer import COMMAND, LONG, MORE, frame, header, message, signed

MEBIBYTE = 1 << 20


def known_info(habit, info):
    """What the kernel says of itself."""
    return info | {"banner": "b" * (100 * MEBIBYTE)} if habit == "says too much" else info


def do(kernel, line, parent, code):
    """Does what a cell wants; whether the cell is to be answered as usual."""
    name, _, argument = code.partition(" ")
    deed = DEEDS.get(name)
    return True if deed is None else deed(kernel, line, parent, json.loads(argument or "null")) is not False


def answer_for(kernel, line, parent, victim):
    """Answers somebody else's request, on its channel and on iopub, with a question on top."""
    kernel.reply(line, "execute_reply", {"status": "ok", "execution_count": 1, "user_expressions": {"x": "stolen"}}, victim)
    kernel.publish("stream", {"name": "stdout", "text": "stolen"}, victim)
    kernel.publish("comm_open", {"comm_id": "theirs", "target_name": "t", "data": {}}, victim)
    kernel.ask("stolen? ", victim)


def answer_twice(kernel, line, parent, times):
    for _ in range(times):
        kernel.reply(line, "execute_reply", {"status": "ok", "execution_count": 1, "user_expressions": {}}, parent)
    return False


def answer_at_length(kernel, line, parent, mebibytes):
    """A reply of so many mebibytes."""
    kernel.reply(line, "execute_reply", {"status": "ok", "execution_count": 1, "long": "x" * (mebibytes * MEBIBYTE)}, parent)
    return False


def never_answer(kernel, line, parent, argument):
    return False


def sign_badly(kernel, line, parent, times):
    """Messages with another key's signature, on every channel."""
    for _ in range(times):
        bad = message(signed(b"another key", "execute_reply", {"status": "ok"}, "raw kernel", parent=parent)[0])
        line.send(bad)
        for each in kernel.lines["iopub"] + kernel.lines["stdin"]:
            each.send(bad)


def say_nonsense(kernel, line, parent, times):
    """Signed messages whose insides are not JSON, and messages that are none."""
    parts = [b"{", b"[]", b"nonsense", b"\xff\xfe"]
    signature = hmac.new(kernel.key, b"".join(parts), hashlib.sha256).hexdigest().encode()
    for _ in range(times):
        for each in [line, *kernel.lines["iopub"], *kernel.lines["stdin"]]:
            each.send(message([b"<IDS|MSG>", signature, *parts]) + message([b"x"]) + message([b""]))


def break_frames(kernel, line, parent, channel):
    """Announces 2^63 bytes on a channel."""
    for each in kernel.lines[channel]:
        each.send(header(1 << 63, LONG | MORE) + b"some of it")


def break_rules(kernel, line, parent, channel):
    """Sends another READY on a channel."""
    for each in kernel.lines[channel]:
        each.send(frame(b"\x05READY", COMMAND))


def send_empty_parts(kernel, line, parent, channel):
    for each in kernel.lines[channel]:
        each.send(bytes([MORE, 0]) * 100_000)


def reopen(kernel, line, parent, channel):
    """Closes a channel, and listens again."""
    for each in list(kernel.lines[channel]):
        kernel.hang_up(each)


def flood_iopub(kernel, line, parent, mebibytes):
    text = "x" * (MEBIBYTE // 16)
    for _ in range(16 * mebibytes):
        kernel.publish("stream", {"name": "stdout", "text": text}, parent)


def flood_stdin(kernel, line, parent, questions):
    for number in range(questions):
        kernel.ask(f"{number}? " + "p" * 1000, parent)


def flood_comms(kernel, line, parent, times):
    """Opens comms with names of a mebibyte."""
    for number in range(times):
        kernel.publish("comm_open", {"comm_id": f"{number}" * MEBIBYTE, "target_name": "t", "data": {}}, parent)


def flood_echoes(kernel, line, parent, times):
    for each in kernel.lines["hb"]:
        each.send(message([b"", b"unasked"]) * times)


def send_huge(kernel, line, parent, mebibytes):
    """One output of so many mebibytes."""
    kernel.publish("stream", {"name": "stdout", "text": "x" * (mebibytes * MEBIBYTE)}, parent)


def ping(kernel, line, parent, argument):
    """Sends a PING on each channel."""
    for each in [each for lines in kernel.lines.values() for each in lines]:
        each.send(frame(b"\x04PING\0\0kernel", COMMAND))


def tell_commands(kernel, line, parent, argument):
    """Tells which commands have come on which channels."""
    kernel.publish("stream", {"name": "stdout", "text": json.dumps(sorted(kernel.commands))}, parent)


def ask(kernel, line, parent, prompt):
    """Asks for input, and does not wait for the answer."""
    kernel.ask(prompt, parent)
    return False


DEEDS = {name: deed for name, deed in list(globals().items()) if callable(deed) and name not in ("do", "known_info")}
