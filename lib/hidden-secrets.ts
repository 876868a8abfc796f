/**
 * Secrets of a target, taken out of whatever comes back from it: servers like to quote what they were sent. Each is found
 * as it is, without its scheme, as parts of a pair or an address, percent-encoded, as JSON or HTML writes it, and in base64
 * of anything around it. One pass over the text, whatever it holds.
 */
import { storableText } from './storable.ts'

/** Shorter ones are not looked for: they would be found in too much that is none. */
const MIN_SECRET_LENGTH = 4
/** A name, and base64 without its ends, are words like others if they are short. */
const MIN_UNSURE_LENGTH = 8
const HIDDEN = '[secret]'
const MAX_PATTERN_LENGTH = 50_000

/** The same value if there is nothing to hide in it. Errors are changed in place. */
export type Hide = <T>(value: T) => T

export function hiding(secrets: readonly string[]): Hide {
  const forms = formsOf(secrets)
  if (forms.length === 0) return (value) => value
  // The longest first, or a part of it would stay.
  const sorted = forms.toSorted((one, other) => other.length - one.length)
  const digits = forms.filter((form) => form.length >= MIN_UNSURE_LENGTH && String(Number(form)) === form)
  const shortest = Math.min(...forms.map(({ length }) => length))
  const sought: Sought = { replace: replacerOf(sorted), shortest, numbers: new Set(digits.map(Number)) }
  return <T>(value: T) => hidden(value, sought) as T
}

/**
 * Of a text of any length, at most so much at its start or its end: no more of it is looked at, for to look for forms that
 * begin alike, in a text that is made for them, takes a look at each from each place. What could be the half of a secret
 * that was cut through is left out.
 */
export function hiddenPart(
  text: string,
  { secrets, most, keep }: { secrets: readonly string[]; most: number; keep: 'start' | 'end' },
): string {
  if (text.length <= most) return hiding(secrets)(text)
  const longest = formsOf(secrets).reduce((longer, { length }) => Math.max(longer, length), 0)
  const looked = most + longest
  if (text.length <= looked) return hiding(secrets)(text)
  const shown = hiding(secrets)(keep === 'start' ? text.slice(0, looked) : text.slice(-looked))
  return keep === 'start' ? shown.slice(0, Math.max(0, shown.length - longest)) : shown.slice(longest)
}

/** By one expression, unless that would be larger than the engine takes: a bundle of certificates has thousands of lines. */
function replacerOf(forms: readonly string[]): (text: string) => string {
  if (forms.reduce((sum, { length }) => sum + length, 0) > MAX_PATTERN_LENGTH) return scannerOf(forms)
  const pattern = new RegExp(
    forms.map((form) => form.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'),
    'g',
  )
  return (text) => text.replace(pattern, HIDDEN)
}

/** Finds the same, by what each form begins with. */
function scannerOf(forms: readonly string[]): (text: string) => string {
  const byStart = new Map<string, string[]>()
  for (const form of forms) {
    const start = form.slice(0, MIN_SECRET_LENGTH)
    const same = byStart.get(start)
    if (same) same.push(form)
    else byStart.set(start, [form])
  }
  return (text) => {
    let shown = ''
    let kept = 0
    for (let at = 0; at < text.length; at++) {
      const found = byStart
        .get(text.slice(at, at + MIN_SECRET_LENGTH))
        // A comparison of two texts is one of memory; startsWith looks at each character by itself.
        ?.find((form) => text.slice(at, at + form.length) === form)
      if (found === undefined) continue
      shown += text.slice(kept, at) + HIDDEN
      kept = at + found.length
      at = kept - 1
    }
    return kept === 0 ? text : shown + text.slice(kept)
  }
}

interface Sought {
  replace: (text: string) => string
  /** A shorter text has none of them in it: most texts of a large answer are names and short words. */
  shortest: number
  numbers: ReadonlySet<unknown>
}

function hidden(value: unknown, sought: Sought): unknown {
  if (typeof value === 'string') return hiddenText(value, sought)
  if (typeof value === 'number') return sought.numbers.has(value) ? HIDDEN : value
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) {
    value.message = hiddenText(value.message, sought)
    return value
  }
  return Array.isArray(value) ? hiddenItems(value, sought) : hiddenFields(value, sought)
}

function hiddenText(text: string, { replace, shortest }: Sought): string {
  return text.length < shortest ? text : replace(text)
}

/** Copied only from the first one on in which there is something to hide. */
function hiddenItems(items: readonly unknown[], sought: Sought): readonly unknown[] {
  let copy: unknown[] | undefined
  for (const [index, item] of items.entries()) {
    const shown = hidden(item, sought)
    if (shown !== item) copy ??= items.slice()
    if (copy) copy[index] = shown
  }
  return copy ?? items
}

function hiddenFields(value: object, sought: Sought): object {
  const entries: [string, unknown][] = Object.entries(value)
  let isSame = true
  for (const entry of entries) {
    const [key, item] = entry
    const shownKey = hiddenText(key, sought)
    const shown = hidden(item, sought)
    if (shownKey === key && shown === item) continue
    isSame = false
    entry[0] = shownKey
    entry[1] = shown
  }
  return isSame ? value : Object.fromEntries(entries)
}

function formsOf(secrets: readonly string[]): string[] {
  const parts = new Set(secrets.flatMap(partsOf).filter((part) => part.length >= MIN_SECRET_LENGTH))
  return [...new Set([...parts].flatMap(writtenForms))]
}

/** What of it is a secret by itself. */
function partsOf(secret: string): string[] {
  const bare = secret.trim().replace(/^\w+ +/, '')
  const pair = decodedPair(bare) ?? (isPair(bare) ? bare : undefined)
  const lines = secret.includes('\n') ? secret.split('\n').map((line) => line.trim()) : []
  return [
    secret,
    secret.trim(),
    bare,
    ...lines,
    ...(pair ? [pair, ...namedParts(...halves(pair))] : []),
    ...ofAddress(secret),
  ]
}

/**
 * Something, a colon, something, without blanks and slashes. Not by one expression: with a colon in the classes on both sides
 * of one, an engine tries each colon of a text that has nothing else.
 */
function isPair(text: string): boolean {
  const colon = text.indexOf(':', 1)
  return colon !== -1 && colon < text.length - 1 && !/[\s/]/.test(text)
}

/** Of `user:password` in base64, as basic authentication has it. */
function decodedPair(text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) return undefined
  const decoded = bytes.toString('utf8')
  return decoded.includes(':') && !/\p{C}/u.test(decoded) ? decoded : undefined
}

function halves(pair: string): [string, string] {
  const colon = pair.indexOf(':')
  return [pair.slice(0, colon), pair.slice(colon + 1)]
}

/** A name is none if it is long enough to be a key, which some servers take in its place. */
function namedParts(name: string, password: string): string[] {
  return [password, ...(name.length >= MIN_UNSURE_LENGTH ? [name] : [])]
}

function ofAddress(secret: string): string[] {
  const [, userInfo] = /^[a-z][a-z0-9+.-]*:\/\/([^@/?#]*)@/i.exec(secret) ?? []
  const parts =
    userInfo === undefined ? [] : namedParts(...halves(userInfo.includes(':') ? userInfo : `${userInfo}:`))
  const [, query = ''] = /^[a-z][a-z0-9+.-]*:\/\/[^?#]*\?([^#]*)/i.exec(secret) ?? []
  const values = [...new URLSearchParams(query)]
    .filter(([name]) => /pass|token|key|secret|sig/i.test(name))
    .map(([, value]) => value)
  return [...parts, ...parts.map(percentDecoded), ...values]
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // It was not encoded.
    return text
  }
}

function writtenForms(part: string): string[] {
  const encoded = encodeURIComponent(storableText(part))
  const html = part.replace(/[&<>"']/g, (mark) => `&${HTML_NAMES[mark]};`)
  const json = JSON.stringify(part).slice(1, -1)
  // Also whole, or its last digit would stay.
  const whole = Buffer.from(part).toString('base64').replace(/=+$/, '')
  const base64 = [whole, ...base64Cores(part)].filter((core) => core.length >= MIN_UNSURE_LENGTH)
  const urlSafe = base64.map((core) => core.replaceAll('+', '-').replaceAll('/', '_'))
  return [
    part,
    encoded,
    encoded.replace(/%../g, (code) => code.toLowerCase()),
    html,
    json,
    ...base64,
    ...urlSafe,
  ]
}

const HTML_NAMES: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' }

/** What base64 of any text around it has in it, at each of the three offsets where it may start. */
function base64Cores(part: string): string[] {
  return [0, 1, 2].map((offset) => {
    const base64 = Buffer.concat([Buffer.alloc(offset), Buffer.from(part)]).toString('base64')
    // A digit holds six bits: those that also hold bits of what stands before or after are cut off.
    const end = Math.floor(((offset + Buffer.byteLength(part)) * 8) / 6)
    return base64.slice(Math.ceil((offset * 8) / 6), end)
  })
}
