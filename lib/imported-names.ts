/** Names of imported definitions, which may be any text, as names of ours. Two texts may give the same one. */

/** `Fetch Data` is `fetch_data`. The sandbox has the same rule, so that code finds a step by the name that it knows. */
export function stepNameOf(text: string): string {
  return nameOf(text, '_', 'step_')
}

/** `Billing System` is `billing-system`, and so is `i:billing-system`, an id with its kind in front. */
export function manifestNameOf(text: string): string {
  return nameOf(text.replace(/^[a-z]:/, ''), '-', 'x-')
}

/** May be empty but for the prefix, or too long: whoever asks for it checks. */
function nameOf(text: string, joint: '_' | '-', prefix: string): string {
  const plain = text
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
    .join(joint)
    .toLowerCase()
  return /^[a-z]/.test(plain) ? plain : prefix + plain
}
