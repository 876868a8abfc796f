/** Whom a wait is for, in words: the same in the CLI and on the pages of the Temporal UI. Pure; workflow code imports it. */

interface Group {
  roles: readonly string[]
  people: readonly string[]
}

/** `role finance, lena@example.org` */
export function groupText({ roles, people }: Group): string {
  const who = [...roles.map((role) => `role ${role}`), ...people]
  return who.length === 0 ? 'anybody who may approve' : who.join(', ')
}

/** `1 of role finance, then 2 of role board` */
export function whomText(stages: readonly (Group & { quorum: number })[]): string {
  return stages.map((stage) => `${stage.quorum} of ${groupText(stage)}`).join(', then ')
}
