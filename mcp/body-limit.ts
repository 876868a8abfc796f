/** Bodies of answers, of which no more is read than may be. */
import type { UnderlyingSource } from 'node:stream/web'

export interface BodyLimit {
  maxBytes: number
  /** What was read before of the same; it is counted on. */
  work?: { bytes: number }
  /** Gives the error that the reader gets, or nothing: then the body just ends there. `most`: how much is taken, in words. */
  onTooLarge: (most: string) => Error | undefined
  onEnd?: () => void
}

/** Passes chunks on one by one, so never more than the limit and one chunk is held. */
export function limitBody(response: Response, limit: BodyLimit): Response {
  const { body, status, statusText, headers } = response
  const limited = body === null ? null : new ReadableStream(limitedSource(body.getReader(), limit))
  return new Response(limited, { status, statusText, headers })
}

function limitedSource(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limit: BodyLimit,
): UnderlyingSource<Uint8Array> {
  const counted = limit.work ?? { bytes: 0 }
  return {
    async pull(controller) {
      const chunk = await reader.read().catch((error: unknown) => {
        limit.onEnd?.()
        throw error
      })
      counted.bytes += chunk.value?.byteLength ?? 0
      if (chunk.done) {
        controller.close()
        limit.onEnd?.()
      } else if (counted.bytes <= limit.maxBytes) {
        controller.enqueue(chunk.value)
      } else {
        reader.cancel().catch(() => {})
        const failure = limit.onTooLarge(`${limit.maxBytes} bytes`)
        if (failure) controller.error(failure)
        else controller.close()
        limit.onEnd?.()
      }
    },
    async cancel(reason) {
      limit.onEnd?.()
      await reader.cancel(reason)
    },
  }
}
