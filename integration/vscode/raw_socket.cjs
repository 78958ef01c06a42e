// The four sockets of a kernel connection (vscode-jupyter: raw/session/rawSocket.node.ts); the heartbeat is never connected.
const { createHmac, randomUUID } = require("node:crypto")
const zmq = require("zeromq")

const DELIMITER = "<IDS|MSG>"

class RawSocket {
  /** `heard(channel, message)` is called for each message, in the order of its channel. */
  constructor(info, heard) {
    this.info = info
    this.closed = false
    const routingId = randomUUID() // one for shell, control and stdin
    const dealer = { routingId, sendHighWaterMark: 0, receiveHighWaterMark: 0, maxMessageSize: -1 }
    this.channels = {
      iopub: new zmq.Subscriber({ maxMessageSize: -1, receiveHighWaterMark: 0 }),
      shell: new zmq.Dealer(dealer),
      control: new zmq.Dealer(dealer),
      stdin: new zmq.Dealer(dealer),
    }
    for (const [channel, socket] of Object.entries(this.channels)) {
      socket.connect(`tcp://${info.ip}:${info[`${channel}_port`]}`)
      this.read(channel, socket, heard)
    }
    this.channels.iopub.subscribe()
  }

  async read(channel, socket, heard) {
    for await (const frames of socket) {
      if (this.closed) return
      heard(channel, this.parse(channel, frames))
    }
  }

  parse(channel, frames) {
    const start = frames.findIndex((frame) => frame.toString() === DELIMITER)
    const [signature, ...parts] = frames.slice(start + 1, start + 6)
    if (start < 0 || this.sign(parts) !== signature.toString()) throw new Error(`a message on ${channel} with a wrong signature`)
    const [header, parent_header, metadata, content] = parts.map((part) => JSON.parse(part))
    return { header, parent_header, metadata, content }
  }

  send(channel, { header, parent_header, metadata, content }) {
    const parts = [header, parent_header, metadata, content].map((part) => JSON.stringify(part))
    return this.channels[channel].send([DELIMITER, this.sign(parts), ...parts])
  }

  sign(parts) {
    return parts.reduce((hmac, part) => hmac.update(part), createHmac("sha256", this.info.key)).digest("hex")
  }

  close() {
    this.closed = true
    for (const socket of Object.values(this.channels)) socket.close()
  }
}

module.exports = { RawSocket }
