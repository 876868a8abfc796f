/** Handlers: whoever asks. */
import { OPERATIONS } from '../../schemas/operations.ts'
import { implement } from './implement.ts'

const whoAmI = implement(OPERATIONS.whoAmI, (_deps, { principal }) => {
  const { organization, id, kind, roles, scopes, keyId } = principal
  return Promise.resolve({ organization, principal: id, kind, roles, scopes, key_id: keyId })
})

export const callerOperations = [whoAmI]
