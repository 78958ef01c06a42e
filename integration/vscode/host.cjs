// A window of VS Code with one notebook, driven by lines of JSON on stdin; answers each with one line on stdout.
// usage: host.cjs KERNELSPEC_NAME
const { createInterface } = require("node:readline")
const { KernelConnection } = require("./kernel_connection.cjs")
const { accepts } = require("./kernel_process.cjs")
const kernelspecs = require("./kernelspecs.cjs")

const kernelspec = kernelspecs.find(process.argv[2])
const kernel = new KernelConnection(kernelspec)
const of = (msg_id) => (message) => message.parent_header.msg_id === msg_id
const isIdle = (message) => message.header.msg_type === "status" && message.content.execution_state === "idle"
const INTERRUPT_MESSAGE = "message"

const commands = {
  start: () => kernel.start(),
  send: ({ code, metadata }) => kernel.execute(code, metadata),
  async finish({ msg_id, seconds }) {
    await kernel.message("iopub", (message) => of(msg_id)(message) && isIdle(message), seconds, "idle")
    const reply = await kernel.message("shell", of(msg_id), seconds, "reply")
    return { reply: reply.content, messages: kernel.heard.iopub.filter(of(msg_id)) }
  },
  async request({ channel, msg_type, content, seconds }) {
    const msg_id = kernel.ask(channel, msg_type, content)
    return (await kernel.message(channel, of(msg_id), seconds, `reply to ${msg_type}`)).content
  },
  until_text: async ({ msg_id, text, seconds }) => {
    const told = (message) => of(msg_id)(message) && JSON.stringify(message.content).includes(text)
    return (await kernel.message("iopub", told, seconds, `«${text}»`)).content
  },
  async answer({ msg_id, value, seconds }) {
    await kernel.message("stdin", of(msg_id), seconds, "question")
    return kernel.answer(value)
  },
  // Until November 2025 (vscode-jupyter #17144) VS Code asked on shell.
  async interrupt({ channel, seconds }) {
    if (kernelspec.interrupt_mode !== INTERRUPT_MESSAGE) return kernel.process.process.kill("SIGINT")
    return commands.request({ channel, msg_type: "interrupt_request", content: {}, seconds })
  },
  restart: ({ signal }) => kernel.restart(signal),
  shutdown: ({ signal }) => kernel.shutdown(signal),
  process: () => ({ pid: kernel.process.process.pid, info: kernel.process.info, file: kernel.process.file, output: kernel.process.output }),
  accepting: async ({ ports }) => (await Promise.all(ports.map(async (port) => (await accepts(port)) && port))).filter(Boolean),
  heard: () => ({ session: kernel.session, messages: kernel.heard }),
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...options } = JSON.parse(line)
    const answer = await Promise.resolve(commands[name](options)).then((value) => ({ value: value ?? null }), (error) => ({ failure: String(error.stack) }))
    console.log(JSON.stringify(answer))
  }
}

// A message that cannot be read, or is signed wrongly, ends the window: no test goes on after one.
process.on("unhandledRejection", (error) => { console.log(JSON.stringify({ failure: String(error.stack) })); process.exit(1) })
main().then(() => process.exit(0))
