/**
 * Numbers that stay what they are. A JSON number is any decimal; JavaScript keeps a double, and what does not come back
 * from one the same is another number. Such a number is refused where it arrives, with its place, and never rounded.
 */

/** For whoever wrote the number. */
export const NOT_EXACT = 'is a number that cannot be kept exactly'
export const WRITE_AS_TEXT = 'Write it as text.'

/**
 * Whether a decimal, as JSON or YAML writes one, is the same number when it comes back from a double. `1.10` and `1.1`
 * are the same number, `-0` and `0` too. Nothing is that is no finite number.
 */
export function survives(decimal: string): boolean {
  const kept = Number(decimal)
  if (!Number.isFinite(kept)) return false
  const keptDecimal = String(kept)
  if (keptDecimal === decimal) return true
  const written = partsOf(decimal)
  const back = partsOf(keptDecimal)
  if (!written || !back || written.digits !== back.digits) return false
  return (
    written.digits === '' || (written.isNegative === back.isNegative && written.exponent === back.exponent)
  )
}

interface Parts {
  isNegative: boolean
  /** Without zeros before and after. Empty: it is zero. */
  digits: string
  /** Of ten, for the digits as a whole number. */
  exponent: number
}

function partsOf(decimal: string): Parts | undefined {
  const [, sign, whole = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(decimal) ?? []
  if (sign === undefined || whole + fraction === '') return undefined
  const all = withoutLeadingZeros(whole + fraction)
  const digits = withoutTrailingZeros(all)
  const zeros = all.length - digits.length
  return { isNegative: sign === '-', digits, exponent: Number(exponent) - fraction.length + zeros }
}

function withoutLeadingZeros(digits: string): string {
  let start = 0
  while (digits[start] === '0') start++
  return digits.slice(start)
}

/** Not by a pattern, which would take quadratic time on a long row of zeros. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length
  while (digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
