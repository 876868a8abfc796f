/**
 * The work of expressions, counted in units that follow from the values alone, so that replay comes to the same end: a
 * unit is about a nanosecond of the slowest case [measured]. Counted is what grows with the data: characters and items
 * that an operator or a function may look at, and each part of an expression each time it is evaluated.
 *
 * Workflow code imports this file. Evaluation is synchronous, so one variable serves whoever evaluates now.
 */
import { CodedError } from '../schemas/errors.ts'
import { MAX_EXPRESSION_WORK } from './limits.ts'

// Looked up once: in the sandbox of workflows a look at a global costs more than the unit that is counted for it.
const { isArray } = Array
const { keys, hasOwn } = Object
const { get } = Reflect

export interface Allowance {
  left: number
}

/** Of one part of an expression, such as a name or an operator. */
const NODE = 50
/** The library looks for the one that fits the types of the arguments. */
const CALL = 100
const ITEM = 30
/** The engine sorts and copies the names of a large object to give the first of them. */
const KEY = 250
/** Of a text that is read to its end. */
const CHARACTER = 1
/** Of a text that is searched, in which the beginning of what is looked for may stand everywhere. */
const SEARCHED = 5
/** Of a text that is taken apart: each part is a new text. */
const TAKEN_APART = 12
/** Of a text of JSON, which is read by the engine and once more by us. */
const PARSED = 60
/** The engine prepares so many characters of what is looked for, and compares the rest again at each place. */
const PREPARED_LENGTH = 250
const READ_SOURCE = 30
const RESULT_VALUE = 20

let current: Allowance | undefined
/** Both of one evaluation, for the engine takes long to enumerate the names of a large object. */
let keyCounts = new WeakMap<object, number>()
let typeNames = new WeakMap<object, unknown>()

/** All expressions evaluated in `work` share the allowance; they also take from the one around it, if there is one. */
export function withAllowance<T>(allowance: Allowance, work: () => T): T {
  const outer = current
  const start = outer === undefined ? allowance.left : Math.min(allowance.left, outer.left)
  const inner = { left: start }
  current = inner
  try {
    return work()
  } finally {
    const used = start - inner.left
    allowance.left -= used
    if (outer !== undefined) outer.left -= used
    current = outer
  }
}

/** One evaluation. `||` and loops forget the errors of their parts: this one they do not forget. */
export function withinWork<T>(source: string, work: () => T): T {
  const allowance = { left: MAX_EXPRESSION_WORK }
  keyCounts = new WeakMap()
  typeNames = new WeakMap()
  return withAllowance(allowance, () => {
    paySource(source)
    const result = work()
    pay(0)
    return result
  })
}

/** Throws EXPRESSION_TOO_COSTLY. */
export function pay(units: number): void {
  if (current === undefined) return
  current.left -= units
  if (current.left < 0)
    throw new CodedError('EXPRESSION_TOO_COSTLY', 'The expression, or those before it, look at too much data')
}

/** Also where a cache has it: what is in a cache follows from what was evaluated before. */
export function paySource(source: string): void {
  pay(source.length * READ_SOURCE)
}

export function payNode(): void {
  pay(NODE)
}

export function payResultValue(): void {
  pay(RESULT_VALUE)
}

/** What is looped over: the names of an object are all taken out before the first turn. */
export function payLoop(items: unknown): void {
  if (isObject(items)) payKeys(items)
}

/** The library names the type of each operand, for which it takes the first name of an object and of what is in it. */
export function nameOnce(value: unknown, isWhole: boolean, nameType: () => unknown): unknown {
  if (!isObject(value)) return nameType()
  const known = isWhole ? typeNames.get(value) : undefined
  if (known !== undefined) return known
  payKeys(value)
  const name = nameType()
  if (isWhole) typeNames.set(value, name)
  return name
}

/** Each time, also where the same object was counted before. */
export function payKeys(value: object): void {
  let count = keyCounts.get(value)
  if (count === undefined) {
    count = keys(value).length
    keyCounts.set(value, count)
  }
  pay(count * KEY)
}

/** Before the operator is applied. */
export function payOperator(operator: string, left: unknown, right: unknown): void {
  if (operator === 'in') {
    if (isArray(right)) right.some((item) => looksEqual(left, item))
  } else if (operator === '==' || operator === '!=') {
    looksEqual(left, right)
  } else if (typeof left === 'string' && typeof right === 'string') {
    pay(operator === '+' ? left.length + right.length : Math.min(left.length, right.length) * CHARACTER)
  } else if (isArray(left) && isArray(right)) {
    pay((left.length + right.length) * ITEM)
  }
}

/** Before the function is applied, or the method to its receiver. */
export function payCall(name: string, [first, second]: readonly unknown[]): void {
  pay(CALL)
  if (isArray(first)) {
    // Only `join` looks at the items.
    if (name === 'join_') for (const item of first) pay(ITEM + (typeof item === 'string' ? item.length : 0))
  } else if (typeof first === 'string') {
    payText(name, first.length, typeof second === 'string' ? second.length : 0)
  } else if (isObject(first) && name === 'size') {
    payKeys(first)
  }
}

function payText(called: string, length: number, soughtLength: number): void {
  const name = called.replace(/_$/, '')
  const perPlace = SEARCHED + (soughtLength > PREPARED_LENGTH ? soughtLength : 0)
  if (name === 'contains' || name === 'indexOf') pay(length * perPlace)
  else if (name === 'lastIndexOf') pay(length * (SEARCHED + soughtLength))
  else if (name === 'split') pay(length * (TAKEN_APART + perPlace))
  else if (name === 'json') pay(length * PARSED)
  else if (name === 'startsWith' || name === 'endsWith') pay(soughtLength * CHARACTER)
  else if (name !== 'substring') pay(length * SEARCHED)
}

/** Pays for what a comparison looks at: it ends at the first difference. True wherever it may go on. */
function looksEqual(left: unknown, right: unknown): boolean {
  pay(ITEM)
  if (left === right && typeof left !== 'string') return true
  if (typeof left === 'string' && typeof right === 'string') {
    if (left.length !== right.length) return false
    pay(left.length * CHARACTER)
    return left === right
  }
  if (isArray(left) && isArray(right)) {
    return left.length === right.length && left.every((item, index) => looksEqual(item, right[index]))
  }
  if (isObject(left) && isObject(right)) return looksEqualByKey(left, right)
  return typeof left !== 'number' && typeof left !== 'boolean'
    ? true
    : left === right || typeof right === 'bigint'
}

function looksEqualByKey(left: object, right: object): boolean {
  payKeys(left)
  payKeys(right)
  if (keyCounts.get(left) !== keyCounts.get(right)) return false
  return keys(left).every((name) => hasOwn(right, name) && looksEqual(get(left, name), get(right, name)))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isArray(value)
}
