"""Limits by the operating system: who exceeds one is told which, and nobody else notices."""

import json
import os
import re
import time
from pathlib import Path

import psutil
import pytest

from harness.clients import execute, new_client, next_message, reply_to
from harness.deadline import Deadline, wait_until
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only

# The requirement itself, not a guess at how fast a machine is: whoever waits is told within a second.
TOLD_SECONDS = 1.0
LIMITED = f"""{CONFIG}
[runtimes.small]
kernelspec = "python3"
memory_limit = "256M"
cpu_limit = 1.5

[runtimes.few]
kernelspec = "python3"
max_processes = 40

[runtimes.told]
kernelspec = "python3"
memory_limit = "256M"
cpu_limit = 1.5
open_files = 300
nice = 7
env = {{ OMP_NUM_THREADS = "5", FROM_CONFIG = "yes" }}

[runtimes.slow]
kernelspec = "python3"
cpu_limit = 0.3

[runtimes.cramped]
kernelspec = "python3"
memory_limit = "4M"
"""
RLIMIT = 'confinement = "rlimit"\n'
RLIMITED = RLIMIT + LIMITED
# One kernel without a limit is kept warm.
WARM = """
[runtimes.python3]
pool = 1
"""

# Grows in steps, so that it is the limit of the cgroup that ends it and not the size of one allocation.
GROW = """
print("grows", flush=True)
hog = []
while True:
    hog.append(bytearray(8 << 20))
"""
# At most 200, each of which ends by itself.
FORKS = """
import subprocess, sys
children, refused = [], None
try:
    for _ in range(200):
        children.append(subprocess.Popen(["sleep", "60"]))
except OSError as error:
    refused = type(error).__name__
len(children), refused
"""
# The directory of the kernel's own cgroup: of the memory controller in v1, the only one in v2.
GROUP = """
from pathlib import Path
own = dict(line.split(":")[1:] for line in Path("/proc/self/cgroup").read_text().split())
"/sys/fs/cgroup/memory" + own["memory"] if "memory" in own else "/sys/fs/cgroup" + own[""]
"""
# Until the system says that it held the kernel back, or for 20 s.
BURN = """
import time
from pathlib import Path
own = dict(line.split(":")[1:] for line in Path("/proc/self/cgroup").read_text().split())
cpu = next((("/sys/fs/cgroup/" + names + path) for names, path in own.items() if "cpu" in names.split(",")), "/sys/fs/cgroup" + own[""])
end = time.monotonic() + 20
def held_back():
    return "nr_throttled 0\\n" not in (Path(cpu) / "cpu.stat").read_text()
while not held_back() and time.monotonic() < end:
    sum(range(100_000))
held_back()
"""
# In a session of its own, and no child of the kernel any more.
DAEMON = """
import subprocess
subprocess.run(["sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True).stdout
"""

limited = pytest.mark.parametrize("own_fleet", [{"config": LIMITED}], indirect=True)
rlimited = pytest.mark.parametrize("own_fleet", [{"config": RLIMITED}], indirect=True)


@pytest.fixture
def cgroup_fleet(own_fleet):
    """The test's own fleet, if it may make cgroups here."""
    if "held by cgroup v" not in own_fleet.stderr:
        [why] = re.findall(r"held by (.*)", own_fleet.stderr)
        memory = Path("/sys/fs/cgroup/memory")
        assert os.geteuid() != 0 or not os.access(memory / "memory.limit_in_bytes", os.W_OK), why
        pytest.skip(f"this user cannot make cgroups here: limits are held by {why}")
    return own_fleet


@limited
def test_a_kernel_over_its_memory_dies_alone_and_all_its_clients_are_told(cgroup_fleet, connect_own):
    one, two = (connect_own(runtime="small", group="hogs") for _ in range(2))
    other = connect_own(runtime="python3")
    assert execute(other, "kept = 41").status == "ok"
    assert execute(one, "shared = 1").status == "ok" and execute(two, "shared").result == "1"

    msg_id = one.execute(GROW)
    deadline = Deadline(60)
    while next_message(one, "iopub", deadline, lambda: "the cell to run")["msg_type"] != "stream":
        pass
    [kernel] = [process for process in cgroup_fleet.kernel_processes() if is_limited(process)]
    wait_until(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE, 60, "the system to kill it")
    killed = time.monotonic()
    reply = reply_to(one, msg_id)["content"]
    assert time.monotonic() - killed < TOLD_SECONDS
    assert (reply["status"], reply["ename"]) == ("error", "KernelDied")
    assert "was killed: memory limit 256M exceeded (held by cgroup v" in reply["evalue"], reply["evalue"]
    for client in (one, two):
        while (message := next_message(client, "iopub", deadline, lambda: "the error"))["msg_type"] != "error":
            pass
        assert "killed: memory limit 256M exceeded" in message["content"]["evalue"]

    assert execute(other, "kept + 1").result == "42"
    assert execute(one, "'shared' in globals()", seconds=60).result == "False"


def is_limited(process):
    return "MEM_LIMIT" in process.environ()


@limited
def test_with_cgroup_v1_a_kernel_survives_what_it_started(cgroup_fleet, connect_own):
    if "held by cgroup v1" not in cgroup_fleet.stderr:
        pytest.skip("cgroup v2 ends a kernel as a whole")
    client = connect_own(runtime="small")
    assert execute(client, f"kept = 1\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', {GROW!r}]).returncode", seconds=60).result == "-9"
    assert execute(client, "kept").result == "1"


@limited
def test_a_kernel_that_cannot_come_up_in_its_memory_is_explained(cgroup_fleet, connect_own):
    done = execute(connect_own(ready=False, runtime="cramped"), "1", seconds=60)
    assert done.status == "error"
    assert "it was killed: memory limit 4M exceeded (held by cgroup v" in done.reply["content"]["evalue"]


@limited
def test_a_fork_bomb_hits_its_own_kernel_alone(cgroup_fleet, connect_own):
    bomb, other = connect_own(runtime="few"), connect_own(runtime="python3")
    started, refused = eval(execute(bomb, FORKS, seconds=60).result)
    assert 0 < started < 40 and refused == "BlockingIOError"
    done = execute(other, "import subprocess; subprocess.run(['echo', 'starts'], capture_output=True).stdout")
    assert done.result == r"b'starts\n'"
    assert execute(bomb, "for child in children:\n    child.kill(); child.wait()\n'ended'").result == "'ended'"


@limited
def test_processor_time_beyond_the_limit_is_not_given(cgroup_fleet, connect_own):
    done = execute(connect_own(runtime="slow"), BURN, seconds=60)
    assert done.result == "True", "the system held the kernel back"


@limited
def test_what_a_kernel_left_behind_ends_with_it(cgroup_fleet, connect_own):
    client = connect_own(runtime="python3")
    daemon = psutil.Process(int(eval(execute(client, DAEMON).result)))
    assert daemon.is_running() and daemon.ppid() not in {process.pid for process in cgroup_fleet.kernel_processes()}
    cgroup_fleet.release([client])
    client.stop_channels()
    wait_until(lambda: not daemon.is_running(), 10, "what the kernel started to end with it")


def test_no_cgroup_outlives_serve(launch):
    fleet = launch(config=LIMITED)
    try:
        fleet.start()
        if "held by cgroup v" not in fleet.stderr:
            pytest.skip("this user cannot make cgroups here")
        client = new_client(fleet.published_file, {"runtime": "small"})
        client.start_channels()
        group = Path(eval(execute(client, GROUP, seconds=60).result))
        assert group.is_dir() and group.name in {file.stem.removeprefix("kernel-") for file in kernel_files(fleet)}
        client.stop_channels()
    finally:
        fleet.stop()
    assert not group.parent.exists()


def kernel_files(fleet):
    return fleet.home.runtime_dir.rglob("kernel-*.json")


@limited
def test_a_kernel_is_told_of_its_limits_and_where_it_is(own_fleet, connect_own):
    client = connect_own(runtime="told")
    environment = json.loads(eval(execute(client, "import os, json; json.dumps(dict(os.environ))").result))
    assert environment["MEM_LIMIT"] == str(256 << 20) and environment["CPU_LIMIT"] == "1.5"
    assert environment["OPENBLAS_NUM_THREADS"] == environment["POLARS_MAX_THREADS"] == "2"
    assert environment["OMP_NUM_THREADS"] == "5", "what the runtime says itself stays"
    assert environment["FROM_CONFIG"] == "yes"
    assert environment["JUPYTER_FLEET_RUNTIME"] == "told"
    assert environment["JUPYTER_FLEET_PROCESS"] == execute(client, "os.getpid()").result
    state = own_fleet.home.runtime_dir / ".fleet"
    assert environment["JUPYTER_FLEET_ID"] == (state / "id").read_text()
    assert (state / f"kernel-{environment['JUPYTER_FLEET_KERNEL']}.json").exists()


@pytest.mark.parametrize("own_fleet", [{"config": LIMITED}, {"config": RLIMITED}], indirect=True, ids=["auto", "rlimit"])
def test_open_files_and_niceness_hold_whatever_holds_the_rest(own_fleet, connect_own):
    client = connect_own(runtime="told")
    done = execute(client, "import os, resource\nresource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0)")
    assert done.result == "((300, 300), 7)"
    done = execute(client, "files = []\ntry:\n    for _ in range(400): files.append(open('/dev/null'))\nfinally:\n    count = len(files); files.clear()")
    assert "Too many open files" in done.error["evalue"]
    assert 0 < int(execute(client, "count").result) < 300


@rlimited
def test_with_rlimits_memory_runs_out_inside_the_kernel(own_fleet, connect_own):
    assert "limits of kernels are held by rlimits" in own_fleet.stderr
    for runtime, key in (("small", "memory_limit: held by rlimits for each process"), ("few", "max_processes: not enforced")):
        [warning] = [line for line in own_fleet.stderr.splitlines() if f"runtime={runtime}" in line]
        assert key in warning, "once per runtime"
    small, other = connect_own(runtime="small"), connect_own(runtime="python3")
    assert execute(other, "kept = 41").status == "ok"
    done = execute(small, f"kept = 1\ntry:{GROW.replace(chr(10), chr(10) + '    ')}\nfinally:\n    hog = None")
    assert done.error["ename"] == "MemoryError"
    assert execute(small, "kept").result == "1", "the kernel lives on with its state"
    assert execute(other, "kept + 1").result == "42"


@pytest.mark.parametrize("own_fleet", [{"config": WARM}, {"config": RLIMIT + WARM}], indirect=True, ids=["auto", "rlimit"])
def test_who_asks_for_a_memory_limit_gets_no_kernel_without_one(own_fleet, connect_own):
    [warm] = wait_until(lambda: [kernel["id"] for kernel in own_fleet.answer("list")], 30, "a warm kernel")
    explained = own_fleet.answer("why", "--runtime", "python3", "--memory-limit", "512M")
    assert (explained["outcome"], explained["runtime"]) == ("launched", "python3")
    assert [kernel["lacks"] for kernel in explained["kernels"]] == [["has no enforced memory limit"]]

    client = connect_own(runtime="python3", memory_limit="512M")
    assert execute(client, "import os; os.environ['MEM_LIMIT']").result == repr(str(512 << 20))
    [limited] = [kernel for kernel in own_fleet.answer("list") if kernel["clients"] == 1]
    assert limited["id"] != warm and limited["memory_limit"] == 512 << 20
    again = own_fleet.answer("why", "--runtime", "python3", "--memory-limit", "256M")
    assert (again["outcome"], again["kernel"]) == ("existing", limited["id"]), "an enforced limit of at least that"
    named = own_fleet.answer("why", "--fleet", json.dumps({"kernel": warm, "memory_limit": "1M"}))
    assert named["outcome"] == "refused" and "has no enforced memory limit" in str(named)
    assert execute(connect_own(runtime="python3", group="any"), "1").status == "ok"
    assert warm in {kernel["id"] for kernel in own_fleet.answer("list") if kernel["clients"]}, "who asks for no limit takes it"


@limited
def test_the_refusal_of_a_memory_limit_says_what_to_put_into_the_config(own_fleet, connect_own):
    done = execute(connect_own(runtime="small", memory_limit="1G"), "1")
    assert done.error["ename"] == "NoMatchingKernel"
    assert "is limited to 256M of memory" in done.error["evalue"]
    assert 'set memory_limit = "1G" for runtime small in the fleet\'s config' in done.error["evalue"]
