/** How workflows call activities. Every number has its reason here. */
import { proxyActivities, proxyLocalActivities, type ActivityOptions } from '@temporalio/workflow'
import type { Activities } from '../activities/index.ts'

const base = {
  // A lost worker shows by its missing heartbeat within 5 s; this only bounds a worker that beats but hangs.
  startToCloseTimeout: '1h',
  heartbeatTimeout: '5s',
  // The SDK's effective default would let a workflow go on while its call is still running.
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  // Without a maximum of attempts: a code of the error table says when trying again is pointless.
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
} as const satisfies ActivityOptions

type Outside = Pick<
  Activities,
  'perform' | 'runCode' | 'abandonWriteback' | 'awaitWorkflow' | 'inspectConnection'
>
type Nearby = Pick<
  Activities,
  | 'openApproval'
  | 'resolveDecision'
  | 'recordDecision'
  | 'closeApproval'
  | 'recordResolution'
  | 'findToldClaim'
  | 'openSubRun'
  | 'openAsk'
  | 'resolveAnswer'
  | 'recordAnswer'
  | 'acceptAnswer'
>

/** What a step is called in the Temporal UI goes into `summary`; it costs no event. */
export function outside(summary: string): Outside {
  return proxyActivities<Outside>({ ...base, summary })
}

/** For a save that a person waits for: it fails instead of waiting for a server to come back. */
export function inspection(summary: string): Outside {
  return proxyActivities<Outside>({
    ...base,
    startToCloseTimeout: '35s',
    retry: { maximumAttempts: 1 },
    summary,
  })
}

/** For somebody who waits for what a run would do: what is away now is told, and not waited for. */
export function dry(summary: string): Pick<Activities, 'preview' | 'runCode'> {
  return proxyActivities<Activities>({
    ...base,
    startToCloseTimeout: '30s',
    retry: { maximumAttempts: 1 },
    summary,
  })
}

/** For jobs of a Schedule: what fails is done by the next one. */
export function upkeep(summary: string): Pick<Activities, 'reconcile' | 'retain'> {
  return proxyActivities<Activities>({
    ...base,
    startToCloseTimeout: '5m',
    retry: { ...base.retry, maximumAttempts: 3 },
    summary,
  })
}

/** A few statements on our own database: run in the workflow task, one event each instead of three. */
export function nearby(): Nearby {
  const { cancellationType, retry } = base
  return proxyLocalActivities<Nearby>({ startToCloseTimeout: '10s', cancellationType, retry })
}
