/** Saving what a test needs. */
import { ApiError, type Client as ApiClient } from '../../sdk/client/index.ts'

type Manifests = Parameters<ApiClient['applyManifests']>[0]['manifests']

const PATIENCE_MS = 60_000

/**
 * What is saved is compared with the tools of its server, for whose list a connection has two seconds in most tests. A
 * program that is started for it needs longer beside everything else that a busy machine does: then it is asked again.
 */
export async function apply(admin: ApiClient, ...manifests: Manifests): Promise<void> {
  const giveUpAtMs = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      await admin.applyManifests({ manifests })
      return
    } catch (error) {
      const isLate = error instanceof ApiError && error.code === 'CALL_TIMEOUT'
      if (!isLate || Date.now() > giveUpAtMs) throw error
    }
  }
}
