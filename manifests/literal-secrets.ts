/** Secrets that stand in a manifest as they are: whoever may read connections would have them. */

const NAMES =
  /^(?:proxy-)?authorization$|^cookie$|(?:^|[-_])(?:api[-_]?key|(?:access|secret|private|subscription)[-_]?key|token|secret|password|passwd|auth|credential)s?$/i
/** Of the services whose keys are seen most, and of what a scheme says of what follows it. */
const VALUES = [
  /^(?:Bearer|Basic|Token|ApiKey)\s+\S/i,
  /\b[srp]k_(?:live|test)_\w{6,}/,
  /\bsk-[\w-]{16,}/,
  /\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}/,
  /\bglpat-[\w-]{16,}/,
  /\bxox[abeprs]-[\w-]{8,}/,
  /\bAKIA[0-9A-Z]{16}\b/,
  /\bAIza[\w-]{30,}/,
  /\beyJ[\w-]{8,}\.[\w-]{8,}\./,
  /\bcs_[0-9a-f]{32}\b/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
]

/** Whether a header holds one. What is filled in on the worker is none, whatever else stands beside it. */
export function isLiteralSecret(name: string, value: string): boolean {
  if (value.includes('${secret:') || value.trim() === '') return false
  return NAMES.test(name) || VALUES.some((form) => form.test(value))
}
