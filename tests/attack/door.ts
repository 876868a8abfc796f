/** What a door is that is opened on purpose, and what several of them open. */
export interface Patch {
  file: string
  /** Occurs exactly once in the file. */
  find: string
  replace: string
}

export interface Door {
  /** What this deployment would do wrong. */
  name: string
  patches: readonly Patch[]
  /** The attack's test: its file in this folder, and its title as it stands there after the table's values are in. */
  test: { file: string; title: string }
  /** A part of what the test says then: that the attack has succeeded, and not just that something is amiss. */
  says: string
}

export const anyPurpose: Patch = {
  file: 'lib/dsse.ts',
  find: 'candidate.keyId === keyid && candidate.purpose === expected.purpose',
  replace: 'candidate.keyId === keyid',
}

/** What people have said counts for as long as a claim has to wait. */
export const anyJudgement: Patch = {
  file: 'activities/sending.ts',
  find: 'JUDGED_FOR_MS = 2_000',
  replace: 'JUDGED_FOR_MS = 1e9',
}
