/** An executor whose answers and failures do not quote the secrets that it has used. */
import { hiding, type Hide } from '../../lib/hidden-secrets.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Executor, Operation } from './executor.ts'

type SecretsOf = (operation: Operation) => readonly string[]

/** Preconditions stay as they were read: they are compared with what is found later. */
export function hidingSecrets(executor: Executor, secretsOf: SecretsOf): Executor {
  const hidden: Hidden = (operation, work, show) => showHidden(setSecrets(secretsOf, operation), work, show)
  return {
    ...executor,
    read: (operation, limits) =>
      hidden(
        operation,
        () => executor.read(operation, limits),
        (output, hide) => hide(output),
      ),
    plan: (operation, limits) =>
      hidden(
        operation,
        () => executor.plan(operation, limits),
        (planned, hide) => ({ ...planned, before: hide(planned.before) }),
      ),
    apply: (operation, sending) =>
      hidden(
        operation,
        () => executor.apply(operation, sending),
        (answer, hide) => hide(answer),
      ),
    check: (operation, looking) =>
      hidden(
        operation,
        () => executor.check(operation, looking),
        (answer, hide) => hide(answer),
      ),
  }
}

type Hidden = <T, Shown>(
  operation: Operation,
  work: () => Promise<T>,
  show: (result: T, hide: Hide) => Shown,
) => Promise<Shown>

async function showHidden<T, Shown>(
  secrets: readonly string[],
  work: () => Promise<T>,
  show: (result: T, hide: Hide) => Shown,
): Promise<Shown> {
  const hide = hiding(secrets)
  try {
    return show(await work(), hide)
  } catch (error) {
    throw hide(error)
  }
}

/** What is not set, or may not go there, cannot be quoted: the executor says what is wrong. */
function setSecrets(secretsOf: SecretsOf, operation: Operation): readonly string[] {
  try {
    return secretsOf(operation)
  } catch (error) {
    if (error instanceof CodedError) return []
    throw error
  }
}
