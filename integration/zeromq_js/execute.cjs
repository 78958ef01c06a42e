// A Jupyter client over zeromq.js, with one routing id on shell, control and stdin, as VS Code's is.
// usage: execute.cjs CONNECTION_FILE NEEDS_JSON: runs one cell that prompts, prints what happened as JSON.
const { createHmac, randomUUID } = require("node:crypto")
const { readFileSync } = require("node:fs")
const zmq = require("zeromq")

const DELIMITER = "<IDS|MSG>"
const SECONDS = 60
const CODE = "name = input('name? ')\nprint('hello', name)\n6 * 7"

const [file, needs] = process.argv.slice(2)
const info = JSON.parse(readFileSync(file, "utf8"))
const session = randomUUID()
const address = (channel) => `tcp://${info.ip}:${info[`${channel}_port`]}`
const sign = (parts) => parts.reduce((hmac, part) => hmac.update(part), createHmac("sha256", info.key)).digest("hex")

function frames(msg_type, content) {
  const header = { msg_id: randomUUID(), session, username: "node", date: new Date().toISOString(), msg_type, version: "5.3" }
  const parts = [header, {}, { fleet: JSON.parse(needs) }, content].map((part) => JSON.stringify(part))
  return { msg_id: header.msg_id, frames: [DELIMITER, sign(parts), ...parts] }
}

function parse(received) {
  const start = received.findIndex((frame) => frame.toString() === DELIMITER)
  const [signature, ...parts] = received.slice(start + 1, start + 6)
  if (sign(parts) !== signature.toString()) throw new Error("a message with a wrong signature")
  const [header, parent, , content] = parts.map((part) => JSON.parse(part))
  return { type: header.msg_type, parent: parent.msg_id, content }
}

async function ask(socket, msg_type, content) {
  const request = frames(msg_type, content)
  await socket.send(request.frames)
  const reply = parse(await socket.receive())
  if (reply.parent !== request.msg_id) throw new Error(`${msg_type}: somebody else's reply`)
  return reply
}

async function collect(iopub, msg_id) {
  let stdout = "", result = null
  for await (const received of iopub) {
    const message = parse(received)
    if (message.parent !== msg_id) continue
    if (message.type === "stream") stdout += message.content.text
    if (message.type === "execute_result") result = message.content.data["text/plain"]
    if (message.content.execution_state === "idle") return { stdout, result }
  }
}

async function untilHeard(shell, iopub) {
  // As Jupyter clients do: ask for kernel_info until a first iopub message shows that the subscription is there.
  iopub.receiveTimeout = 500
  for (let tries = 0; tries < 60; tries++) {
    await ask(shell, "kernel_info_request", {})
    try { await iopub.receive(); break } catch (error) { if (error.code !== "EAGAIN") throw error }
  }
  iopub.receiveTimeout = -1
}

async function main() {
  const routingId = randomUUID()
  const [shell, control, stdin] = ["shell", "control", "stdin"].map((channel) => {
    const socket = new zmq.Dealer({ routingId, linger: 0 })
    socket.connect(address(channel))
    return socket
  })
  const iopub = new zmq.Subscriber({ linger: 0 })
  iopub.connect(address("iopub"))
  iopub.subscribe()
  await untilHeard(shell, iopub)

  const info_on_control = await ask(control, "kernel_info_request", {})
  const request = frames("execute_request", { code: CODE, silent: false, store_history: true, user_expressions: {}, allow_stdin: true, stop_on_error: true })
  const outputs = collect(iopub, request.msg_id)
  await shell.send(request.frames)
  const prompt = parse(await stdin.receive())
  await stdin.send(frames("input_reply", { value: "node", status: "ok" }).frames)
  const reply = parse(await shell.receive())
  const implementation = info_on_control.content.implementation
  console.log(JSON.stringify({ implementation, prompt: prompt.content.prompt, status: reply.content.status, ...(await outputs) }))
}

setTimeout(() => { console.error(`no end within ${SECONDS} s`); process.exit(1) }, SECONDS * 1000).unref()
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })
