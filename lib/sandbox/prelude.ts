/**
 * What runs in the sandbox before the code of a step, in the same world: it takes clock and chance away, gives a
 * `console`, says in a sentence what is not there, and turns the result into JSON. It keeps the built-ins that it needs,
 * for the code may replace them. Whatever the code does to this world it does to its own result only.
 *
 * An expression: a function of `host` (log, report), the seed and the clock. It gives the function that runs a module.
 */
export const PRELUDE = String.raw`
(function (host, seed, nowMs) {
  'use strict'
  const { stringify, parse } = JSON
  const { log, report } = host
  const { apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect
  const { Error, Map, Set, String, Object, Promise, TypeError } = globalThis
  const { then } = Promise.prototype
  const { isFinite, isInteger, isSafeInteger } = Number
  const { hasOwn } = Object
  const { replace, toLowerCase } = String.prototype
  // Of a step that was imported under another name; the rule is that of lib/imported-names.ts.
  const stepName = (text) => {
    const joined = apply(replace, apply(replace, text, [/[^A-Za-z0-9]+/g, '_']), [/^_|_$/g, ''])
    const plain = apply(toLowerCase, joined, [])
    return plain >= 'a' && plain < '{' ? plain : 'step_' + plain
  }
  const define = (name, value) => defineProperty(globalThis, name, { value, writable: true, configurable: true })

  // sfc32
  let [a, b, c, d] = seed
  const random = () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4294967296
  }
  for (let i = 0; i < 16; i++) random()
  defineProperty(Math, 'random', { value: random, writable: true, configurable: true })

  const RealDate = Date
  const StandingDate = function Date(...parts) {
    if (new.target === undefined) return new RealDate(nowMs).toString()
    return construct(RealDate, parts.length === 0 ? [nowMs] : parts, new.target)
  }
  for (const key of ownKeys(RealDate))
    if (key !== 'prototype' && key !== 'length' && key !== 'name')
      defineProperty(StandingDate, key, getOwnPropertyDescriptor(RealDate, key))
  StandingDate.now = () => nowMs
  StandingDate.prototype = RealDate.prototype
  defineProperty(RealDate.prototype, 'constructor', { value: StandingDate, writable: true, configurable: true })
  define('Date', StandingDate)

  const textOf = (value) => {
    if (typeof value === 'string') return value
    if (value instanceof Error) return value.name + ': ' + value.message
    try {
      return stringify(value) ?? String(value)
    } catch {
      return String(value)
    }
  }
  const console = {}
  for (const level of ['debug', 'log', 'info', 'warn', 'error', 'trace'])
    console[level] = (...values) => {
      let text = ''
      for (let i = 0; i < values.length && text.length < 4096; i++) text += (i > 0 ? ' ' : '') + textOf(values[i])
      log(level === 'trace' ? 'debug' : level, text.slice(0, 4096))
    }
  define('console', console)

  const absent = (names, sentence) => {
    for (const name of names)
      define(name, () => {
        throw new Error(sentence)
      })
  }
  absent(['fetch', 'XMLHttpRequest', 'WebSocket'], 'there is no network here, and no fetch: call a tool in a tool_call step, and use its output')
  absent(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'], 'there are no timers here: wait in a sleep step')
  absent(['require', 'importScripts'], 'there is nothing to import here: what the code needs has to stand in it')

  // What JSON would silently leave out or change is refused.
  const strict = (key, value) => {
    const at = key === '' ? 'the result' : 'the result has at "' + String(key).slice(0, 100) + '" what'
    const kind = typeof value
    if (kind === 'function' || kind === 'symbol' || kind === 'bigint') throw new TypeError(at + ' is a ' + kind + ', which JSON has not')
    if (kind === 'number' && !isFinite(value)) throw new TypeError(at + ' is ' + value + ', which JSON has not')
    if (kind === 'number' && isInteger(value) && !isSafeInteger(value)) throw new TypeError(at + ' is ' + value + ', over 2^53, where whole numbers are not exact: make it a text')
    if (value instanceof Map || value instanceof Set) throw new TypeError(at + ' is a Map or Set: make an object or a list of it')
    if (value instanceof Promise) throw new TypeError(at + ' is a promise: await it')
    return value
  }
  const completed = (value) => {
    let text
    try {
      text = value === undefined ? 'null' : stringify(value, strict)
    } catch (error) {
      if (!(error instanceof TypeError)) return failed(error)
      return report('unfit', /circular/.test(error.message) ? 'the result holds itself: JSON has no cycles' : error.message, '')
    }
    report('completed', text ?? 'null', '')
  }
  const failed = (error) => {
    if (!(error instanceof Error)) return report('failed', 'it threw ' + textOf(error), '')
    report('failed', error.name + ': ' + error.message, String(error.stack))
  }
  // Beside the data, and not part of it: code that copies or prints the context sees none of this.
  const helped = (ctx) => {
    const help = (name, value) => defineProperty(ctx, name, { value })
    const absentIn = (name, sentence) =>
      help(name, () => {
        throw new Error(sentence)
      })
    help('readWorkflowInput', () => ctx.input)
    help('readStepResult', (said) => {
      const name = String(said)
      const known = ctx.steps ?? {}
      const found = hasOwn(known, name) ? name : stepName(name)
      const step = hasOwn(known, found) ? known[found] : undefined
      if (step === undefined) throw new Error('there is no step "' + name.slice(0, 100) + '" before this one')
      if (step.status !== 'completed') throw new Error('step "' + found + '" has no result: it is ' + step.status)
      return step.output
    })
    for (const name of ['sleep', 'sleepUntil']) absentIn(name, 'there are no timers here: wait in a sleep step')
    defineProperty(ctx, 'env', {
      get() {
        throw new Error('code calls no tools: call them in tool_call steps, and use their outputs')
      },
    })
    return ctx
  }
  return (exported, contextText) => {
    const start = (module) => {
      if (typeof module.default !== 'function') return report('unfit', 'its default export is not a function', '')
      const result = module.default(helped(parse(contextText)))
      apply(then, result instanceof Promise ? result : Promise.resolve(result), [completed, failed])
    }
    apply(then, new Promise((resolve) => resolve(exported)), [start])
      .then(undefined, failed)
  }
})`
