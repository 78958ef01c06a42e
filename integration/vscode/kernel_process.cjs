// One process of a kernelspec, from its connection file to its end (vscode-jupyter: raw/launcher/kernelProcess.node.ts).
const { spawn } = require("node:child_process")
const { randomUUID } = require("node:crypto")
const { readFileSync, readdirSync, rmSync, writeFileSync } = require("node:fs")
const net = require("node:net")
const { join } = require("node:path")
const { setTimeout: sleep } = require("node:timers/promises")

const BOUND_SECONDS = 60 // VS Code's default of jupyter.jupyterLaunchTimeout
const PROBE_MILLISECONDS = 200
const CHANNELS = ["hb", "control", "shell", "stdin", "iopub"]

class KernelProcess {
  /** Writes a connection file, starts the argv, and returns once shell and iopub are bound. */
  static async launch(kernelspec) {
    const started = new KernelProcess(await connectionInfo(kernelspec.name))
    const argv = kernelspec.argv.map((argument) => argument.replace("{connection_file}", started.file))
    started.process = spawn(argv[0], argv.slice(1), { env: { ...process.env, ...kernelspec.env }, stdio: ["ignore", "pipe", "pipe"] })
    for (const stream of [started.process.stdout, started.process.stderr]) stream.on("data", (data) => { started.output += data })
    started.exited = new Promise((resolve) => started.process.once("exit", (code, signal) => resolve(code ?? signal)))
    started.process.once("error", (error) => { started.output += error })
    await started.untilBound()
    return started
  }

  constructor(info) {
    this.info = info
    this.output = ""
    this.file = join(process.env.JUPYTER_RUNTIME_DIR, `kernel-v2-${randomUUID()}.json`)
    writeFileSync(this.file, JSON.stringify(info), { mode: 0o600 })
  }

  async untilBound() {
    const deadline = Date.now() + BOUND_SECONDS * 1000
    for (const port of [this.info.shell_port, this.info.iopub_port]) {
      while (!(await accepts(port))) {
        if (this.process.exitCode !== null || this.process.signalCode !== null) throw new Error(`the kernel died: ${this.output}`)
        if (Date.now() > deadline) throw new Error(`port ${port} was not bound within ${BOUND_SECONDS} s: ${this.output}`)
        await sleep(PROBE_MILLISECONDS)
      }
    }
  }

  /** Ends the process: what it started first, then itself. VS Code sends SIGTERM; a killed window is SIGKILL. */
  async dispose(signal) {
    for (const pid of descendants(this.process.pid)) kill(pid, signal)
    this.process.kill(signal)
    rmSync(this.file, { force: true })
    return this.exited
  }
}

async function connectionInfo(kernel_name) {
  const ports = await freePorts(CHANNELS.length)
  return {
    ...Object.fromEntries(CHANNELS.map((channel, index) => [`${channel}_port`, ports[index]])),
    key: randomUUID(),
    signature_scheme: "hmac-sha256",
    transport: "tcp",
    ip: "127.0.0.1",
    kernel_name,
  }
}

// VS Code counts up from port 9000. Here the system chooses, so that tests may run side by side.
async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve(server))
  })))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function accepts(port) {
  return new Promise((resolve) => {
    const probe = net.connect(port, "127.0.0.1")
    probe.once("connect", () => { probe.destroy(); resolve(true) })
    probe.once("error", () => resolve(false))
  })
}

function descendants(pid) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
  const children = pids.filter((each) => parent(each) === pid)
  return children.flatMap((child) => [child, ...descendants(child)])
}

function parent(pid) {
  try { return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^PPid:\s*(\d+)/m)[1]) } catch { return null } // it has ended
}

function kill(pid, signal) {
  try { process.kill(pid, signal) } catch (error) { if (error.code !== "ESRCH") throw error }
}

module.exports = { KernelProcess, accepts }
