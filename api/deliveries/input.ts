/** The input of a run: it fits the automation's schema, and the database can keep it. */
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

function throwIfAny(places: readonly ProblemPlace[]): void {
  if (places.length > 0) throw new PlacedError('INVALID_INPUT', places.slice(0, MAX_PLACES))
}
