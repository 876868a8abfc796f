/** Ties a handler to an operation of the table, with the types of the operation. */
import type { ApiDeps } from '../deps.ts'
import type { RunWatchers } from '../run-watchers.ts'
import type { Operation, OperationOutput, OperationParts } from '../../schemas/operations/operation.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { Principal } from '../plugins/authentication.ts'

export interface OperationDeps extends ApiDeps {
  watchers: RunWatchers
}

export interface RequestContext {
  principal: Principal
  idempotencyKey: string | undefined
  /** Answers with the operation's alternative status instead of its own. */
  useAlternative: () => void
  /** Aborted when the caller has gone. */
  signal: AbortSignal
}

export type OperationRequest<Op extends Operation> = OperationParts<Op> & RequestContext

type Handler<Op extends Operation> = (
  deps: OperationDeps,
  request: OperationRequest<Op>,
) => Promise<OperationOutput<Op>>

export interface Implementation {
  operation: Operation
  /** The renderer has checked the parts with the operation's schemas before it calls this. */
  handle: (deps: OperationDeps, request: OperationRequest<Operation>) => Promise<unknown>
  moreFaults?: MoreFaults
}

/** A request whose form is wrong, or whose JSON cannot be kept: each field may be missing, or be something else. */
export interface UncheckedRequest {
  params: Readonly<Record<string, string>>
  body: { readonly [field: string]: unknown }
  principal: Principal
}

/** What the operation would say of such a request, so that one fault does not hide others. Changes nothing. */
export type MoreFaults = (deps: OperationDeps, request: UncheckedRequest) => Promise<readonly ProblemPlace[]>

export function implement<Op extends Operation>(
  operation: Op,
  handler: Handler<Op>,
  moreFaults?: MoreFaults,
): Implementation {
  return {
    operation,
    // The one place where the type of a single operation is forgotten.
    handle: (deps, request) => handler(deps, request as unknown as OperationRequest<Op>),
    ...(moreFaults && { moreFaults }),
  }
}
