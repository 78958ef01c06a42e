"""A program with a kernel: starts it from the kernelspec that it is told, prints the pid of its process, waits for its own end."""

import sys

from jupyter_client import KernelManager

manager = KernelManager(kernel_name=sys.argv[1])
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
print(manager.provisioner.pid, flush=True)
sys.stdin.read()
