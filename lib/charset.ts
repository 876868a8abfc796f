/** Texts from the bytes of others, who may say which encoding they have. */

export interface DecodedText {
  text: string
  /** Bytes that are no text stand as U+FFFD in it. */
  isDamaged: boolean
}

/** Of a `Content-Type`, in small letters. */
export function charsetOf(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase()
}

/** As UTF-8, which JSON has to be; else as it is said to be. Without its mark. */
export function decodedText(bytes: Uint8Array, charset?: string): DecodedText {
  for (const encoding of ['utf-8', ...(charset === undefined ? [] : [charset])]) {
    try {
      return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), isDamaged: false }
    } catch {
      // Bytes that this encoding has not, or an encoding that nobody knows.
    }
  }
  return { text: new TextDecoder().decode(bytes), isDamaged: true }
}
