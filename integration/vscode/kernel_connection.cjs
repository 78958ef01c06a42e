// A notebook's connection to its kernel (vscode-jupyter: raw/session/rawKernelConnection.node.ts). The session lives as long
// as the notebook is open: a restart is another process, with another connection file, for the same session.
const { randomUUID } = require("node:crypto")
const { setTimeout: sleep } = require("node:timers/promises")
const { KernelProcess } = require("./kernel_process.cjs")
const { RawSocket } = require("./raw_socket.cjs")

const READY_SECONDS = 60 // after that VS Code gives the kernel up
const ASK_AGAIN_MILLISECONDS = 500

class KernelConnection {
  constructor(kernelspec) {
    this.kernelspec = kernelspec
    this.session = randomUUID()
    this.username = randomUUID()
  }

  async start() {
    this.heard = { iopub: [], shell: [], control: [], stdin: [] }
    this.process = await KernelProcess.launch(this.kernelspec)
    this.socket = new RawSocket(this.process.info, (channel, message) => this.heard[channel].push(message))
    return this.untilReady()
  }

  // Asks on both channels until there is a reply on either, and anything on iopub.
  async untilReady() {
    const deadline = Date.now() + READY_SECONDS * 1000
    const asked = [this.ask("shell", "kernel_info_request")]
    const reply = () => [...this.heard.shell, ...this.heard.control].find((message) => asked.includes(message.parent_header.msg_id))
    while (!(reply() && this.heard.iopub.length)) {
      if (Date.now() > deadline) throw new Error(`the kernel was not ready within ${READY_SECONDS} s: ${this.process.output}`)
      asked.push(this.ask("control", "kernel_info_request"), this.ask("shell", "kernel_info_request"))
      await sleep(ASK_AGAIN_MILLISECONDS)
    }
    return reply().content
  }

  /** Sends a request and returns its id. */
  ask(channel, msg_type, content = {}, metadata = {}) {
    const header = { msg_id: randomUUID(), session: this.session, username: this.username, date: new Date().toISOString(), msg_type, version: "5.2" }
    this.socket.send(channel, { header, parent_header: {}, metadata, content })
    return header.msg_id
  }

  /** A cell as VS Code sends it: with the cell's metadata, and without telling the kernel to stop on errors. */
  execute(code, metadata = {}) {
    const content = { code, silent: false, store_history: true, allow_stdin: true, stop_on_error: false }
    return this.ask("shell", "execute_request", content, { cellId: `vscode-notebook-cell:${randomUUID()}`, ...metadata })
  }

  answer(value) {
    const question = this.heard.stdin.at(-1)
    this.ask("stdin", "input_reply", { status: "ok", value })
    return question.content.prompt
  }

  /** The first message for which `is` holds, on this channel. */
  async message(channel, is, seconds, what) {
    const deadline = Date.now() + seconds * 1000
    for (;;) {
      const found = this.heard[channel].find(is)
      if (found) return found
      if (Date.now() > deadline) throw new Error(`no ${what} on ${channel} within ${seconds} s: ${this.process.output}`)
      await sleep(20)
    }
  }

  /** Starts anew without waiting for the end of the old process, as VS Code does. */
  async restart(signal) {
    const ended = this.process.dispose(signal)
    this.socket.close()
    const info = await this.start()
    return { implementation: info.implementation, ended: await ended }
  }

  async shutdown(signal) {
    const ended = await this.process.dispose(signal)
    this.socket.close()
    return ended
  }
}

module.exports = { KernelConnection }
