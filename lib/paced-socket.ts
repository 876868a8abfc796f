/**
 * A socket whose bytes pass piece by piece, each in its turn. TLS that is given an ordinary socket reads it by itself, two
 * megabytes at one stretch, and tells nobody of messages that carry no data; those of a peer that sends nothing else stop
 * a process. What is given to TLS instead is this: nothing comes to it that has not been counted here.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** Does something now, or when it is its turn. */
export type InTurn = <T>(read: () => T) => T | Promise<T>

/** The smallest messages of TLS take a few milliseconds then, if each has to be answered. */
const PIECE_BYTES = 4 * 1024

/** For the socket below: to end its side is for whoever uses the one above, when all has passed that came before. */
export const BELOW = { allowHalfOpen: true }

/** Says `connect` like a socket, and `piece` with each piece before it passes that on. */
export class PacedSocket extends Duplex {
  readonly below: Socket
  readonly #inTurn: InTurn
  #isWanted = false

  constructor(below: Socket, inTurn: InTurn) {
    // With anything in it, it is full.
    super({ allowHalfOpen: false, readableHighWaterMark: 1 })
    this.below = below
    this.#inTurn = inTurn
    below.on('connect', () => this.emit('connect'))
    below.on('readable', () => this.#passOn())
    below.on('end', () => this.push(null))
    below.on('error', (error) => this.destroy(error))
    // After an ordinary end there may still be something to be read of us.
    below.on('close', () => {
      if (!below.readableEnded) this.destroy()
    })
  }

  setNoDelay(isOn?: boolean): this {
    this.below.setNoDelay(isOn)
    return this
  }

  setKeepAlive(isOn?: boolean, initialDelayMs?: number): this {
    this.below.setKeepAlive(isOn, initialDelayMs)
    return this
  }

  ref(): this {
    this.below.ref()
    return this
  }

  unref(): this {
    this.below.unref()
    return this
  }

  override _read(): void {
    this.#isWanted = true
    this.#passOn()
  }

  override _write(bytes: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.below.write(bytes, callback)
  }

  override _writev(pieces: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.below.write(Buffer.concat(pieces.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.below.end(() => callback())
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // Not before, as with any socket: a driver takes an early end for the reason, and does not hear the error.
    if (this.below.closed) return callback(error)
    this.below.once('close', () => callback(error))
    this.below.destroy()
  }

  /**
   * One piece for each time that more is wanted. When our side has ended, what still comes is thrown away: TLS could have to
   * answer it, and Node does not bear that.
   */
  #passOn(): void {
    // It tells of its end, or of more, only to whoever asks.
    if (this.below.readableLength === 0) this.below.read(0)
    else if (this.#isWanted) {
      this.#isWanted = false
      void this.#pass()
    }
  }

  async #pass(): Promise<void> {
    try {
      await this.#inTurn(() => {
        const bytes = this.below.read(Math.min(PIECE_BYTES, this.below.readableLength)) as Buffer | null
        if (bytes === null || this.destroyed) return
        this.emit('piece', bytes)
        if (this.writableEnded) this._read()
        else this.push(bytes)
      })
    } catch (error) {
      this.destroy(error as Error)
    }
  }
}
