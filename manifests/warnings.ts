/**
 * What can be saved and will hardly do what was meant: the people, or the connection, may still come. Told to whoever
 * saves, and nothing is refused for it.
 */
import type { ProblemPlace } from '../schemas/problem.ts'
import { allSteps } from '../schemas/step-tree.ts'
import { ofKind, place, unknownName, type Document } from './document.ts'
import { idText, type Known } from './known.ts'

/** Persons who may act, with their roles. */
export interface KnownPerson {
  id: string
  roles: readonly string[]
}

interface Wanted {
  roles: readonly string[]
  people: readonly string[]
  quorum: number
}

interface Waits {
  path: string
  wanted: Wanted
}

export function warningPlaces(
  documents: readonly Document[],
  known: Known,
  persons: readonly KnownPerson[],
): ProblemPlace[] {
  return [
    ...ofKind(documents, 'Policy').flatMap((document) => matchPlaces(document, known)),
    ...waitsOf(documents).flatMap((wait) => peoplePlaces(wait, persons)),
  ]
}

/** Roles and ids that the documents wait for. */
export function wantedBy(documents: readonly Document[]): { roles: string[]; people: string[] } {
  const all = waitsOf(documents).map(({ wanted }) => wanted)
  return {
    roles: [...new Set(all.flatMap(({ roles }) => roles))],
    people: [...new Set(all.flatMap(({ people }) => people))],
  }
}

function waitsOf(documents: readonly Document[]): Waits[] {
  const policies = ofKind(documents, 'Policy').flatMap(({ path, manifest }) =>
    manifest.spec.rules.flatMap(({ require }, index) =>
      (require?.stages ?? []).map((wanted, stage) => {
        return { path: `${path}.spec.rules[${index}].require.stages[${stage}]`, wanted }
      }),
    ),
  )
  const questions = ofKind(documents, 'Automation').flatMap(({ path, manifest }) =>
    allSteps(`${path}.spec.steps`, manifest.spec.steps).flatMap(({ at, step }) =>
      'ask' in step ? [{ path: `${at}.ask.of`, wanted: { ...step.ask.of, quorum: 1 } }] : [],
    ),
  )
  return [...policies, ...questions]
}

function matchPlaces({ path, manifest }: Document<'Policy'>, known: Known): ProblemPlace[] {
  const kinds = [
    ['connection', 'Connection', [...known.connections.keys()]],
    ['automation', 'Automation', [...known.automations.keys()]],
  ] as const
  return manifest.spec.rules.flatMap(({ match }, index) =>
    kinds.flatMap(([field, kind, names]) => {
      const name = match[field]
      if (name === undefined || name.includes('*') || names.includes(name)) return []
      if (known.broken?.has(idText({ kind, name }))) return []
      const message = `there is no ${field} \`${name}\`, so this rule matches nothing`
      return [unknownName(`${path}.spec.rules[${index}].match.${field}`, message, name, names)]
    }),
  )
}

const GIVE = 'Give it to somebody: `countersign principals set-roles`, or `keys create --role`.'

/** Each role and person that nobody is, and else a number of people that there are not. */
function peoplePlaces({ path, wanted }: Waits, persons: readonly KnownPerson[]): ProblemPlace[] {
  const { roles, people, quorum } = wanted
  const strangers = people.filter((id) => !persons.some((person) => person.id === id))
  const empty = roles.filter((role) => !persons.some((person) => person.roles.includes(role)))
  const places = [
    ...empty.map((role) =>
      place('unknown-reference', `${path}.roles`, `nobody has the role \`${role}\``, GIVE),
    ),
    ...strangers.map((id) => {
      const hint = 'Make a key for them, or correct the id.'
      return place('unknown-reference', `${path}.people`, `nobody is known here as \`${id}\``, hint)
    }),
  ]
  const fitting = persons.filter(
    ({ id, roles: has }) => people.includes(id) || has.some((role) => roles.includes(role)),
  )
  if (places.length > 0 || fitting.length >= quorum) return places
  const message = `is ${quorum}, and only ${fitting.length} ${fitting.length === 1 ? 'person fits' : 'people fit'}`
  return [place('impossible-quorum', `${path}.quorum`, message, 'Give the role to more people.')]
}
