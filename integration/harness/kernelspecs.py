"""Kernelspecs that lead into a fleet, and what stands for them without one."""

import json

RUNTIME = "python3"


def install(fleet, group=None, arguments=()):
    """Installs the kernelspec of a group as people do; returns its name. `arguments` are added to its command by hand.

    Without a proxy it is that of a plain kernel, which is interrupted by a message as well.
    """
    if fleet.is_direct:
        return "python-message"
    name = "-".join(["fleet", RUNTIME, *([group] if group else []), *(each.strip("-").replace("=", "-") for each in arguments)])
    wishes = ["--runtime", RUNTIME, *(["--group", group] if group else [])]
    done = fleet.command("kernelspec", "install", "--user", "--name", name, *wishes)
    assert done.returncode == 0, done.stderr
    add_arguments(fleet.home.data_dir / "kernels" / name / "kernel.json", arguments)
    return name


def add_arguments(file, arguments):
    kernelspec = json.loads(file.read_text())
    kernelspec["argv"] += arguments
    file.write_text(json.dumps(kernelspec))
