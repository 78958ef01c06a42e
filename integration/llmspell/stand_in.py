"""Stands in for `llmspell kernel start` (0.14.1): answers as recorded in frames.jsonl, oddities and all.

`test_recorded.py` compares it with the recording. Usage: stand_in.py kernel start --port P --connection-file F
[--config C] [--id I] [--provider P]. What runs inside is a real Lua. It sees LLMSPELL_CONFIG and LLMSPELL_PROVIDER in its
environment, which the real one does not set: tests tell by them how it was started. With STAND_IN_LANGUAGE it says that it
speaks another language, which was not recorded; what runs is Lua all the same.
"""

import argparse
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import signal
import socket
import sys
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

import lupa.lua54 as lua
import zmq

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
DELIMITER = b"<IDS|MSG>"
# All replies go there, whoever asked.
CLIENT = b"inprocess_client"
# The queue of what is printed takes 100 messages. It is emptied by the one that waits to fill it, who hangs then: in the
# recording, if the cell goes on for 0.3 s.
LONGEST_QUEUE = 98
GRACE_SECONDS = 0.25
STARTS_IN_SECONDS = 0.1
KERNEL_INFO = {
    "protocol_version": "5.3",
    "implementation": "llmspell",
    "implementation_version": "0.14.1",
    "language_info": {"name": "lua", "version": "5.4", "file_extension": ".lua"},
    "banner": "LLMSpell Kernel v0.14.1 (lua)",
}
RECORDING = Path(__file__).with_name("frames.jsonl")
SETUP = r"""
local collect = ...
-- A cell may take globals away.
local load, xpcall, tostring, table, debug, stdout = load, xpcall, tostring, table, debug, io.stdout
local gsub, find, sub = string.gsub, string.find, string.sub
local CHUNK = "engine.rs:1:1"
local function texts(...)
  local all = table.pack(...)
  for index = 1, all.n do all[index] = tostring(all[index]) end
  return all
end
function print(...) collect(table.concat(texts(...), "\t") .. "\n") end
function io.write(...) collect(table.concat(texts(...)) .. "\n") return stdout end
local function traceback()
  local trace = debug.traceback(nil, 3)
  local cell = find(trace, "\n\t[C]: in function 'xpcall'", 1, true)
  return gsub(sub(trace, 1, (cell or 0) - 1), "^stack traceback:", "stack traceback:\n\t[C]: in ?")
end
return function(code)
  local chunk = load("return " .. code, CHUNK, "t")
  local problem
  if not chunk then chunk, problem = load(code, CHUNK, "t") end
  if not chunk then return "syntax error: " .. problem end
  local ok, value = xpcall(chunk, function(raised)
    return "runtime error: " .. tostring(raised) .. "\n" .. traceback()
  end)
  if not ok then return value end
  return nil, value
end
"""


def main():
    # It has no handlers: what Python does of its own goes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = parse()
    try:
        Path("sessions").mkdir(exist_ok=True)
    except OSError as error:
        sys.exit(f"Error: cannot create ./sessions: {error}")
    require_api_key(arguments.config)
    os.environ["LLMSPELL_CONFIG"] = arguments.config
    os.environ["LLMSPELL_PROVIDER"] = arguments.provider
    ports = free_ports() if arguments.port == 0 else range(arguments.port, arguments.port + len(CHANNELS))
    kernel = Kernel(dict(zip(CHANNELS, ports)), secrets.token_hex(32))
    time.sleep(STARTS_IN_SECONDS)
    if arguments.connection_file:
        # In place, for all to read, and never removed.
        Path(arguments.connection_file).write_text(json.dumps(kernel.connection_info()))
    kernel.serve()


def parse():
    parser = argparse.ArgumentParser(prog="llmspell")
    start = parser.add_subparsers(required=True).add_parser("kernel").add_subparsers(required=True).add_parser("start")
    start.add_argument("--port", type=int, default=9555)
    start.add_argument("--connection-file")
    start.add_argument("--config", default="")
    start.add_argument("--provider", default="")
    start.add_argument("--id")
    return parser.parse_args()


def require_api_key(config):
    """Without the variable that a config names, it does not start."""
    text = Path(config).read_text() if config and Path(config).exists() else ""
    missing = [name for name in re.findall(r'api_key_env\s*=\s*"(\w+)"', text) if name not in os.environ]
    if missing:
        sys.exit(f"Error: {missing[0]} is not set")


def free_ports():
    """Ports that are free now. All are held until the last is found, so that none comes twice."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in CHANNELS]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Kernel:
    """The five sockets, and Lua behind them. One thread: while a cell runs, nothing else is answered."""

    def __init__(self, ports, key):
        self.ports, self.key = ports, key
        self.session = f"session-{uuid.uuid4()}"
        self.count = 0
        self.printed, self.full_since = [], None
        self.is_ordered = os.environ.get("TOKIO_WORKER_THREADS") == "1"
        self.evaluate = lua.LuaRuntime(encoding=None, unpack_returned_tuples=True).execute(SETUP.encode(), self.collect)
        self.debug_replies = recorded_debug_replies()
        self.sockets = {}
        for name in CHANNELS:
            kind = {"iopub": zmq.PUB, "hb": zmq.REP}.get(name, zmq.ROUTER)
            self.sockets[name] = zmq.Context.instance().socket(kind)
            self.sockets[name].bind(f"tcp://127.0.0.1:{ports[name]}")

    def connection_info(self):
        ports = {f"{name}_port": port for name, port in self.ports.items()}
        fixed = {"transport": "tcp", "ip": "127.0.0.1", "signature_scheme": "hmac-sha256", "kernel_name": "llmspell"}
        return fixed | ports | {"key": self.key}

    def serve(self):
        for state in ("starting", "idle"):
            self.publish("status", {"execution_state": state})
        poller = zmq.Poller()
        for name in ("shell", "control", "stdin", "hb"):
            poller.register(self.sockets[name], zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            for name in ("shell", "control", "stdin", "hb"):
                if self.sockets[name] in ready:
                    self.take(name, self.sockets[name].recv_multipart())

    def take(self, name, frames):
        if name == "hb":
            return self.sockets["hb"].send_multipart(frames)
        # Identities are ignored, and so are signatures.
        if DELIMITER not in frames or len(frames) < frames.index(DELIMITER) + 6:
            return None
        _, header, _, _, content = frames[frames.index(DELIMITER) + 1 :][:5]
        try:
            header = json.loads(header)
        except ValueError:
            sys.exit(1) if name == "control" else None
            return None
        if name == "control":
            if "signature" in header:
                sys.exit(1)
            if header["msg_type"] == "debug_request":
                self.reply("control", header, self.debug_replies.get(debugged(content)))
        elif name == "shell" and header["msg_type"] == "kernel_info_request":
            self.reply("shell", header, kernel_info())
        elif name == "shell" and header["msg_type"] == "execute_request":
            self.execute(header, json.loads(content)["code"])
        return None

    def execute(self, header, code):
        if not code:
            return
        self.count += 1
        self.printed, self.full_since = [], None
        problem, value = either(self.evaluate(code.encode()))
        self.hang_if_full()
        parent = header.get("header")
        before, after = self.split_prints()
        self.publish("status", {"execution_state": "busy"}, parent)
        outputs = [("stream", {"name": "stdout", "text": text}) for text in before]
        if problem is None:
            outputs += result_of(value, self.count)
        else:
            text = f"Error: Script execution failed: Component error: lua engine execution error: {as_text(problem)}\n"
            outputs.insert(0, ("stream", {"name": "stderr", "text": text}))
        if not self.is_ordered:
            random.shuffle(outputs)
        for msg_type, output in outputs:
            self.publish(msg_type, output, parent)
        self.publish("status", {"execution_state": "idle"})
        for text in after:
            self.publish("stream", {"name": "stdout", "text": text})

    def split_prints(self):
        """Some of what was printed comes when the cell is said to have ended."""
        late = random.randint(0, min(5, len(self.printed)))
        if not self.is_ordered and random.random() < 0.5:
            late = len(self.printed)
        before, after = self.printed[: len(self.printed) - late], self.printed[len(self.printed) - late :]
        if not self.is_ordered:
            random.shuffle(after)
        return before, after

    def collect(self, text):
        self.hang_if_full()
        self.printed.append(as_text(text))
        if len(self.printed) > LONGEST_QUEUE and self.full_since is None:
            self.full_since = time.monotonic()

    def hang_if_full(self):
        while self.full_since is not None and time.monotonic() - self.full_since >= GRACE_SECONDS:
            time.sleep(3600)

    def publish(self, msg_type, content, parent=None):
        parts = {"header": self.header(msg_type, self.session), "parent_header": parent, "metadata": {}, "content": content}
        self.sockets["iopub"].send(json.dumps(shuffled(parts), separators=(",", ":")).encode())

    def reply(self, channel, request, content):
        if content is None:
            return
        parent = request.get("header") or {name: value for name, value in request.items() if name != "date"}
        header = self.header(request["msg_type"].replace("request", "reply"), request["session"])
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, parent, {}, content)]
        signature = hmac.new(self.key.encode(), b"".join(parts), hashlib.sha256).hexdigest().encode()
        self.sockets[channel].send_multipart([CLIENT, DELIMITER, signature, *parts])

    def header(self, msg_type, session):
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000+00:00")
        names = {"msg_id": str(uuid.uuid4()), "session": session, "username": "kernel"}
        return names | {"msg_type": msg_type, "version": "5.3", "date": now}


def kernel_info():
    language = os.environ.get("STAND_IN_LANGUAGE")
    return KERNEL_INFO | ({"language_info": {"name": language}} if language else {})


def either(returned):
    return returned if isinstance(returned, tuple) else (returned, None)


def result_of(value, count):
    plain = jsonable(value)
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    data = {"text/plain": text} | ({"application/json": plain} if isinstance(plain, (dict, list)) else {})
    display = [("display_data", {"data": data, "metadata": {}})] if plain is not None else []
    return [*display, ("execute_result", {"execution_count": count, "data": {"text/plain": text}, "metadata": {}})]


def jsonable(value):
    if isinstance(value, bytes):
        return as_text(value)
    if lua.lua_type(value) == "table":
        items = {key: jsonable(item) for key, item in value.items()}
        if items and list(items) == list(range(1, len(items) + 1)):
            return list(items.values())
        return shuffled({as_text(key) if isinstance(key, bytes) else str(key): item for key, item in items.items()})
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


def as_text(text):
    return text.decode(errors="replace")


def shuffled(parts):
    """The order of keys is random."""
    return dict(random.sample(list(parts.items()), len(parts)))


def debugged(content):
    """What of a debug_request its reply depends on."""
    request = json.loads(content)
    return json.dumps([request.get("command"), request.get("arguments")], sort_keys=True)


def recorded_debug_replies():
    """The debugger's replies are those of the recording. Where there is none, it was silent."""
    replies, asked = {}, None
    for line in RECORDING.read_text().splitlines():
        step = json.loads(line)
        if step.get("socket") != "control" or "debug_request" not in step["case"]:
            continue
        content = step["parts"][-1]["utf8"]
        if step["dir"] == "out":
            asked = debugged(content)
        elif asked is not None:
            replies[asked] = json.loads(content)
    return replies


if __name__ == "__main__":
    main()
