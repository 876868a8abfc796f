/** Decimals at random, as JSON writes them, and what they are exactly: with integers, and nothing of the code under test. */
import type { Chance } from '../chaos/random.ts'

/** Often near the places where doubles become coarse: 15 to 19 digits, 2^53, the ends of the range. */
export function decimalOf(chance: Chance): string {
  const sign = chance.happens(0.3) ? '-' : ''
  if (chance.happens(0.2)) return `${sign}${9007199254740992n + BigInt(chance.below(41) - 20)}`
  const whole = chance.happens(0.3) ? '0' : digitsOf(chance, 1 + chance.below(19)).replace(/^0+(?=.)/, '')
  const fraction = chance.happens(0.5) ? `.${digitsOf(chance, 1 + chance.below(19))}` : ''
  const range = chance.pick([3, 30, 330])
  const exponent = chance.happens(0.3) ? `e${chance.pick(['', '+', '-'])}${chance.below(range)}` : ''
  return sign + whole + fraction + exponent
}

function digitsOf(chance: Chance, count: number): string {
  return Array.from({ length: count }, () =>
    chance.pick(['0', '0', '1', '5', '9', String(chance.below(10))]),
  ).join('')
}

/** One name for each number; of what is no finite number a name that no number has. */
export function exactDecimal(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  if (whole === '') return `no number: ${text}`
  let digits = BigInt(whole + fraction)
  let tens = Number(exponent) - fraction.length
  if (digits === 0n) return '0'
  while (digits % 10n === 0n) {
    digits /= 10n
    tens += 1
  }
  return `${sign}${digits}e${tens}`
}
