"""A kernel whose process is watched and started again, as jupyter_server does with each of its kernels."""

import asyncio
import os
import signal

from jupyter_client.ioloop import AsyncIOLoopKernelManager
from traitlets.config import Config

from harness.clients import Execution, is_status
from harness.running_notebook import STEP_SECONDS, until

# jupyter_server looks every 3 s; and only a process that has lived for 10 s is started again on the same ports, which is
# the case that people meet. The test waits for neither.
WATCHED = Config(KernelRestarter={"time_to_dead": 0.5, "random_ports_until_alive": False})
ASK_AGAIN_SECONDS = 0.5


class RestartedKernel:
    """Started on entry, shut down on exit."""

    def __init__(self, kernelspec):
        self.km = AsyncIOLoopKernelManager(kernel_name=kernelspec, config=WATCHED)
        self.restarts = []
        self.heard = []

    async def __aenter__(self):
        await self.km.start_kernel()
        self.km.add_restart_callback(lambda: self.restarts.append("restart"), "restart")
        self.km.add_restart_callback(lambda: self.restarts.append("dead"), "dead")
        self.client = self.km.client()
        self.client.start_channels()
        try:
            await self.client.wait_for_ready(timeout=STEP_SECONDS)
        except BaseException:
            await self.close()
            raise
        self._listening = asyncio.ensure_future(self._listen())
        return self

    async def __aexit__(self, *_):
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self.close()

    async def close(self):
        self.client.stop_channels()
        await self.km.shutdown_kernel(now=True)

    async def _listen(self):
        while True:
            self.heard.append(await self.client.iopub_channel.get_msg(timeout=None))

    @property
    def process(self):
        """The process that the host takes for the kernel; None while there is none."""
        return self.km.provisioner and self.km.provisioner.pid

    def kill(self):
        """Kills that process, as the kernel's own death would look; returns which it was."""
        process = self.process
        os.kill(process, signal.SIGKILL)
        return process

    def send(self, code):
        return self.client.execute(code)

    async def run(self, code):
        return await self.finish(self.send(code))

    async def finish(self, msg_id, seconds=STEP_SECONDS):
        """Waits for the reply and the end of a cell."""
        reply = await asyncio.wait_for(self._reply(msg_id), seconds)
        await until(lambda: any(is_status(message, "idle") for message in self.of(msg_id)), seconds, lambda: f"idle: {self.of(msg_id)}")
        return Execution(reply, self.of(msg_id))

    async def _reply(self, *msg_ids):
        while True:
            reply = await self.client.get_shell_msg(timeout=None)
            if reply["parent_header"].get("msg_id") in msg_ids:
                return reply

    def of(self, msg_id):
        return [message for message in self.heard if message["parent_header"].get("msg_id") == msg_id]

    async def until_said(self, text):
        await until(lambda: any(text in message["content"].get("text", "") for message in self.heard), STEP_SECONDS, lambda: repr(text))

    async def until_restarted(self, before):
        """Waits until there is another process than `before`, and it answers on both channels."""
        await until(lambda: self.process not in (None, before), STEP_SECONDS, lambda: "another process")
        asked = []
        while not any(map(self.of, asked)):
            asked.append(self.client.kernel_info())
            await asyncio.wait_for(self._reply(*asked), STEP_SECONDS)
            await asyncio.sleep(ASK_AGAIN_SECONDS)  # for what iopub tells of it; a new connection may miss the first
