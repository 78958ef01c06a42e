"""Configs with llmspell in them: the stand-in, behind the adapter."""

import json
import sys
from pathlib import Path

STAND_IN = [sys.executable, str(Path(__file__).with_name("stand_in.py")), "kernel", "start"]
PLACES = ["--port", "{port}", "--connection-file", "{connection_file}"]


def table(name, *lines, arguments=PLACES):
    """A `[runtimes.NAME]` that starts the stand-in."""
    argv = json.dumps([*STAND_IN, *arguments])
    return "\n".join([f"[runtimes.{name}]", f"argv = {argv}", 'adapter = "llmspell"', 'language = "lua"', *lines, ""])


CONFIG = 'default_runtime = "llmspell"\n' + table("llmspell", "pool = 0")
