/**
 * What comes on the sockets of one session beside the content of its answers. The content is counted by whoever reads
 * it; chunks of one byte, their extensions, answers that only say that another one follows, records and messages of TLS are
 * seen by nobody behind the parser, and cost as much as content does.
 */
import type * as http from 'node:http'
import type { Socket } from 'node:net'
import { PacedSocket } from './paced-socket.ts'
import { resetSocket, wireOf } from './resetting-agent.ts'

/** So many, and half as many as the content has: chunks and records of ten bytes are common in streams. */
export const MAX_BYTES_AROUND = 512 * 1024
/** What a byte of content may take on the wire, itself among it. */
export const BYTES_FOR_CONTENT = 1.5
/** `100 Continue`, and hints of what will come. */
const MAX_INTERIM = 20

/** `most`: how much is taken, in words. */
export type OnExcess = (most: string) => void

export class WireMeter {
  readonly #onExcess: OnExcess
  readonly #watched = new WeakSet<Socket>()
  #bytesAround = 0

  constructor(onExcess: OnExcess) {
    this.#onExcess = onExcess
  }

  /** Also what comes on its socket when it has its answer, until the next request is sent on it. */
  watch(request: http.ClientRequest, socket: Socket): void {
    let interim = 0
    request.on('information', (answer: http.InformationEvent) => {
      this.#hasHead(answer)
      interim += 1
      if (interim === MAX_INTERIM + 1) this.#refuse(socket, `${MAX_INTERIM} interim responses`)
    })
    request.on('response', (answer) => this.#hasHead(answer))
    if (this.#watched.has(socket)) return
    this.#watched.add(socket)
    const wire = wireOf(socket)
    // With most messages of TLS no data comes.
    wire.on(wire instanceof PacedSocket ? 'piece' : 'data', ({ length }: Buffer) => {
      this.#bytesAround += length
      if (this.#bytesAround > MAX_BYTES_AROUND)
        this.#refuse(socket, `${MAX_BYTES_AROUND} bytes around its content`)
    })
  }

  hasContent(bytes: number): void {
    this.#bytesAround -= BYTES_FOR_CONTENT * bytes
  }

  /** The parser bounds each of them. */
  #hasHead({ rawHeaders }: Pick<http.IncomingMessage, 'rawHeaders'>): void {
    for (const text of rawHeaders) this.#bytesAround -= text.length + 2
  }

  #refuse(socket: Socket, most: string): void {
    if (socket.destroyed) return
    this.#onExcess(most)
    resetSocket(socket)
    socket.destroy()
  }
}
