/** Handlers: the deployment itself. */
import { OPERATIONS } from '../../schemas/operations.ts'
import { examine } from '../doctor/examine.ts'
import { implement } from './implement.ts'

const health = implement(OPERATIONS.getHealth, (deps, { principal }) => examine(deps, principal.organization))

export const healthOperations = [health]
