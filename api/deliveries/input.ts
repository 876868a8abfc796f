/** What a run is started with: it fits the automation's schema, the database can keep it, and it names people we know. */
import type { Queryable } from '../../db/database.ts'
import { loadPrincipals } from '../../db/queries/principals.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { inputPlaces } from '../../lib/run-input.ts'
import { unstorableTexts } from '../../lib/storable.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { PlacedError } from '../errors.ts'

const MAX_PLACES = 50

/** Throws INVALID_INPUT with every place that does not fit, and SCHEMA_TOO_COSTLY. */
export async function checkInput(
  spec: AutomationSpec,
  input: JsonValue,
  organization: string,
): Promise<void> {
  throwIfAny(await inputPlaces(spec.input as JsonObject | undefined, input, organization))
}

/** Throws INVALID_INPUT for texts that the database, and canonical JSON, cannot hold. */
export function checkTexts(input: JsonValue): void {
  throwIfAny(unstorableTexts(input, 'input'))
}

/** Throws INVALID_INPUT for whom nobody knows here, or who was disabled: they might be spelled otherwise as approvers. */
export async function checkOnBehalfOf(
  database: Queryable,
  organization: string,
  onBehalfOf: readonly string[],
): Promise<void> {
  if (onBehalfOf.length === 0) return
  const known = new Set(
    (await loadPrincipals(database, { organization, ids: [...onBehalfOf] })).map(({ id }) => id),
  )
  const message = 'is nobody who is known here, or was disabled'
  throwIfAny(
    onBehalfOf.flatMap((id, index) =>
      known.has(id)
        ? []
        : [
            {
              path: `on_behalf_of[${index}]`,
              rule: 'unknown-reference' as const,
              message: `${id} ${message}`,
            },
          ],
    ),
  )
}

function throwIfAny(places: readonly ProblemPlace[]): void {
  if (places.length > 0) throw new PlacedError('INVALID_INPUT', places.slice(0, MAX_PLACES))
}
