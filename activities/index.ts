/**
 * The activities of the product, made from what they need. Each is a thin shell: the context of Temporal on the
 * outside (heartbeats, cancellation, failures), plain functions inside.
 */
import { Context, activityInfo, log } from '@temporalio/activity'
import type { Database } from '../db/database.ts'
import type { AllowedHost } from '../lib/allowed-hosts.ts'
import type { SigningKey } from '../lib/dsse.ts'
import type { JsonValue } from '../lib/json.ts'

import { createToolCatalog, type ToolCatalog } from '../mcp/catalog.ts'
import type { McpClientPort } from '../mcp/port.ts'
import { CodedError } from '../schemas/errors.ts'
import type {
  CodeInput,
  CodeOutput,
  Envelope,
  ResolutionAnswer,
  ResolutionInput,
  Recorded,
  ResolvedDecision,
} from '../schemas/run.ts'
import type { DryCall, PreviewResult } from '../schemas/dry-run.ts'
import type { ReconcileReport, RetentionPosition, RetentionReport } from '../schemas/upkeep.ts'
import { abandonWriteback, type Abandoned, type Abandoning } from './abandon.ts'
import {
  endApproval,
  openApproval,
  recordDecision,
  resolveDecision,
  type OpenedApproval,
} from './approvals.ts'
import { acceptAnswer, openAsk, recordAnswer, resolveAnswer } from './asks.ts'
import type { Trust } from './decisions.ts'
import { runCode } from './code.ts'
import type { AboutClaim } from './claims.ts'
import { callerId, organizationHere, withContext } from './context.ts'
import type { DoorDeps } from './door.ts'
import { createMcpToolExecutor } from './executors/mcp-tool.ts'
import type { Executor } from './executors/executor.ts'
import { createSqlExecutor } from './executors/sql.ts'
import type { TargetDatabases } from './executors/sql-targets.ts'
import { beat } from './heartbeat.ts'
import { inspectConnection, type Inspection } from './inspect.ts'
import { askingAll, createPerform, findToldClaim } from './passing.ts'
import { recordResolution } from './resolutions.ts'
import { reconcile } from './reconcile.ts'
import { resultOf } from './results.ts'
import { preview, type Looker, type PreviewDeps } from './preview.ts'
import { retain } from './retention.ts'
import type { SecretResolver } from './secrets.ts'
import { createShares, WAITS, type InShare } from './shares.ts'
import { openSubRun, type SubRun } from './sub-runs.ts'
import {
  createDatabaseResolver,
  createTargetResolver,
  type DatabaseResolver,
  type TargetResolver,
} from './targets.ts'

export interface ActivityDeps {
  database: Database
  mcp: McpClientPort
  targets: TargetDatabases
  resolveSecret: SecretResolver
  /** JSON file with the programs that stdio connections may start here. */
  commandsFile: string
  /** Private hosts that connections may reach; none unless the operator says so. */
  allowedHosts?: readonly AllowedHost[] | undefined
  /** `off`: passes of the reconciler are refused here. */
  reconciler?: 'on' | 'off' | undefined
  trust: Trust
  signingKey: SigningKey
  nowMs?: () => number
}

/** For a thread that fails; a turn is waited for as long as it takes. */
const CODE_PATIENCE_MS = 10 * 60_000

const KNOWS_NONE =
  'this namespace knows none of our runs: nothing is concluded of those that it does not know'

export function createActivities(deps: ActivityDeps) {
  const catalog = createToolCatalog(deps.mcp)
  const targetOf = createTargetResolver(deps)
  const databaseOf = createDatabaseResolver(deps)
  const door = createDoor(deps, catalog, { targetOf, databaseOf })
  const inspection = { database: deps.database, catalog, targetOf, databaseOf }
  const inShare = createShares()
  const amongWaits = createShares(WAITS)

  return {
    perform: createPerform(door, inShare),
    ...createEndingActivities(door),
    ...createDecidingActivities(door),
    openSubRun: (params: Parameters<typeof openSubRun>[1]): Promise<SubRun> =>
      withContext(door, null, () =>
        openSubRun({ database: deps.database, client: Context.current().client, caller: callerId() }, params),
      ),
    ...createDryActivities(deps, door, inShare),
    inspectConnection: (params: Parameters<typeof inspectConnection>[1]): Promise<Inspection> =>
      withContext(door, null, (signal) =>
        inShare(params.organization, () => inspectConnection(inspection, params, signal)),
      ),
    /** The result of an execution that another one started: how a run that was reset finds its children again. */
    awaitWorkflow: ({ workflowId }: { workflowId: string }): Promise<unknown> =>
      withContext(door, null, () => {
        const organization = organizationHere()
        return resultOf(Context.current(), workflowId, (wait) =>
          amongWaits(organization, () => inShare(organization, wait)),
        )
      }),
    ...createHousekeepingActivities(deps, door),
  }
}

export type Activities = ReturnType<typeof createActivities>

/**
 * How writes end without a call. Outside of the shares: these wait for nothing but our own database and Temporal, and what
 * is cancelled has to end also where slow calls have all of its organization's places.
 */
function createEndingActivities(door: DoorDeps) {
  return {
    recordResolution: (params: ResolutionInput): Promise<ResolutionAnswer> =>
      withContext(door, null, () => recordResolution(door, params, Context.current().client)),
    abandonWriteback: (params: Abandoning): Promise<Abandoned> =>
      withContext(door, null, () => abandonWriteback(door, params, askingAll(params))),
    findToldClaim: (about: AboutClaim): Promise<Envelope | null> =>
      withContext(door, null, () => findToldClaim(door, about)),
  }
}

/** What waits for people, and what they say. */
function createDecidingActivities(door: DoorDeps) {
  return {
    openApproval: (params: Parameters<typeof openApproval>[1]): Promise<OpenedApproval> =>
      withContext(door, null, () => openApproval(door, params, callerId())),
    resolveDecision: (params: Parameters<typeof resolveDecision>[1]): Promise<ResolvedDecision> =>
      withContext(door, null, () => resolveDecision(door, params)),
    recordDecision: (params: Parameters<typeof recordDecision>[1]): Promise<Recorded> =>
      withContext(door, null, () => recordDecision(door, params)),
    closeApproval: (params: Parameters<typeof endApproval>[1]): Promise<void> =>
      withContext(door, null, () => endApproval(door, params, callerId())),
    openAsk: (params: Parameters<typeof openAsk>[1]): Promise<OpenedApproval> =>
      withContext(door, null, () => openAsk(door, params, callerId())),
    resolveAnswer: (params: Parameters<typeof resolveAnswer>[1]): Promise<ResolvedDecision> =>
      withContext(door, null, () => resolveAnswer(door, params)),
    recordAnswer: (params: Parameters<typeof recordAnswer>[1]): Promise<Recorded> =>
      withContext(door, null, () => recordAnswer(door, params)),
    acceptAnswer: (params: Parameters<typeof acceptAnswer>[1]): Promise<JsonValue> =>
      withContext(door, null, () => acceptAnswer(door, params)),
  }
}

/** What keeps the ledger true and the database small, whatever became of the runs. */
function createHousekeepingActivities({ database, reconciler }: ActivityDeps, door: DoorDeps) {
  return {
    reconcile: (after: ReconcileReport['next']): Promise<ReconcileReport> =>
      withContext(door, null, async () => {
        if (reconciler === 'off')
          throw new CodedError('RECONCILER_OFF', 'this worker has COUNTERSIGN_RECONCILER=off')
        const { client, info, log } = Context.current()
        const scheduledAtMs = info.currentAttemptScheduledTimestampMs
        const report = await reconcile({ door, client, scheduledAtMs }, after)
        if (report.doubted > 0) log.warn(KNOWS_NONE, { doubted: report.doubted })
        return report
      }),
    retain: (after: RetentionPosition | null): Promise<RetentionReport> =>
      withContext(door, null, (signal) =>
        retain({ database: database, client: Context.current().client, nowMs: Date.now }, after, signal),
      ),
  }
}

/** All that a dry run calls. */
function createDryActivities({ database, trust }: ActivityDeps, door: DoorDeps, inShare: InShare) {
  const { mcp, postgres } = door.executors
  const looking: PreviewDeps = {
    database,
    executors: { mcp: lookerOf(mcp), postgres: lookerOf(postgres) },
    trust,
    nowMs: door.nowMs,
  }
  return {
    preview: (envelope: Envelope, call: DryCall): Promise<PreviewResult> =>
      withContext(door, null, (signal) => {
        const params = { envelope, workflowId: callerId(), call }
        return inShare(organizationHere(), () => preview(looking, params, signal))
      }),
    runCode: (source: string, input: CodeInput): Promise<CodeOutput> =>
      withContext(door, CODE_PATIENCE_MS, (signal) => {
        const organization = organizationHere()
        const nowMs = activityInfo().scheduledTimestampMs
        return inShare(organization, () => runCode({ ...input, source, nowMs, organization }, signal))
      }),
  }
}

function createDoor(
  deps: ActivityDeps,
  catalog: ToolCatalog,
  { targetOf, databaseOf }: { targetOf: TargetResolver; databaseOf: DatabaseResolver },
): DoorDeps {
  const { database, mcp, targets, trust, signingKey } = deps
  const onProgress = (tool: string): void => beat({ tool })
  return {
    database,
    executors: {
      mcp: createMcpToolExecutor({ mcp, catalog, targetOf, onProgress }),
      postgres: createSqlExecutor({ targets, targetOf: databaseOf }),
    },
    trust,
    signingKey,
    nowMs: deps.nowMs ?? Date.now,
    warn: (message, facts) => log.warn(message, facts),
  }
}

function lookerOf({ name, resolve, read, plan, describe }: Executor): Looker {
  return { name, resolve, read, plan, describe }
}
