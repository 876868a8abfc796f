/** Bytes by name, bounded by their sum: what was used last stays. */
export interface ByteCache {
  get(name: string): CachedBytes | undefined
  set(name: string, entry: CachedBytes): void
}

export interface CachedBytes {
  bytes: Buffer
  /** When the store last heard that they are used. */
  notedAtMs: number
}

export function createByteCache(maxBytes: number): ByteCache {
  // A Map keeps the order of insertion: the first is the one that was not used for longest.
  const entries = new Map<string, CachedBytes>()
  let totalBytes = 0
  const remove = (name: string): void => {
    totalBytes -= entries.get(name)?.bytes.byteLength ?? 0
    entries.delete(name)
  }
  return {
    get(name) {
      const entry = entries.get(name)
      if (entry === undefined) return undefined
      entries.delete(name)
      entries.set(name, entry)
      return entry
    },
    set(name, entry) {
      remove(name)
      if (entry.bytes.byteLength > maxBytes) return
      entries.set(name, entry)
      totalBytes += entry.bytes.byteLength
      for (const oldest of entries.keys()) {
        if (totalBytes <= maxBytes) break
        remove(oldest)
      }
    },
  }
}
