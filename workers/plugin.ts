/**
 * Countersign as a Temporal plugin: our workflows and activities for any Worker. A worker with workflows of its own
 * re-exports ours from its workflows file (Temporal takes all workflows from one module) and adds this plugin.
 */
import type { DataConverter } from '@temporalio/common'
import { SimplePlugin } from '@temporalio/plugin'
import type { BundleOptions, WorkerOptions } from '@temporalio/worker'
import { createActivities, type ActivityDeps } from '../activities/index.ts'
import { createTargetDatabases } from '../activities/executors/sql-targets.ts'
import { createDataConverter, plainFailuresPath } from '../codec/data-converter.ts'
import type { EncryptionKeys } from '../codec/encryption.ts'
import { createMcpClient } from '../mcp/client.ts'
import { builtBundle, preloadModules, workflowsPath } from './bundle.ts'

export interface PluginDeps extends Omit<ActivityDeps, 'mcp' | 'targets'> {
  /** Of values in Temporal; without, only large ones leave it. */
  encryption?: EncryptionKeys | undefined
}

/** Each with its reason; what the worker sets itself stands. */
const WORKER_DEFAULTS = {
  // The default grows with the heap: 10,000 waiting approvals took 2.6 GB. One that is not cached replays in 10 ms.
  maxCachedWorkflows: 500,
  // The default lets every workflow of a killed worker stand still for 10 s.
  stickyQueueScheduleToStartTimeout: '1s',
  // A cancel reaches a call with the next heartbeat; the default may hold that one back for 30 s.
  maxHeartbeatThrottleInterval: '500ms',
  // A call that is under way at SIGTERM is allowed to end, so that its outcome is recorded.
  shutdownGraceTime: '30s',
} as const satisfies Partial<WorkerOptions>

export function countersign(deps: PluginDeps): CountersignPlugin {
  return new CountersignPlugin(deps)
}

export class CountersignPlugin extends SimplePlugin {
  constructor(deps: PluginDeps) {
    const mcp = createMcpClient({})
    const targets = createTargetDatabases(deps.allowedHosts ?? [])
    const ours = createDataConverter(deps)
    super({
      name: 'countersign',
      dataConverter: (existing) => beside(existing, ours),
      workflowsPath: (existing) => existing ?? workflowsPath,
      activities: createActivities({ ...deps, mcp, targets }),
      runContext: async (next) => {
        try {
          await next()
        } finally {
          await Promise.all([mcp.close(), targets.close()])
        }
      },
    })
  }

  override configureWorker(options: WorkerOptions): WorkerOptions {
    const configured = super.configureWorker({ ...WORKER_DEFAULTS, ...options })
    const workflowBundle = options.workflowBundle ?? (isOursAlone(configured) ? builtBundle() : undefined)
    if (workflowBundle === undefined) return configured
    const { workflowsPath: _bundled, ...rest } = configured
    return { ...rest, workflowBundle }
  }

  override configureBundler(options: BundleOptions): BundleOptions {
    const configured = super.configureBundler(options)
    return { ...configured, preloadModules: [...(options.preloadModules ?? []), ...preloadModules] }
  }
}

/** Then the bundle of the build holds all that this worker's would: it takes no workflows, interceptors or converters but ours. */
function isOursAlone(options: WorkerOptions): boolean {
  const { bundlerOptions, dataConverter, interceptors, plugins = [] } = options
  return (
    options.workflowsPath === workflowsPath &&
    plugins.every((plugin) => plugin instanceof CountersignPlugin) &&
    bundlerOptions === undefined &&
    (interceptors?.workflowModules ?? []).length === 0 &&
    dataConverter?.payloadConverterPath === undefined &&
    dataConverter?.failureConverterPath === plainFailuresPath
  )
}

/** A codec that is there already sees what ours has made of a value. One plugin may be asked more than once. */
function beside(existing: DataConverter | undefined, ours: DataConverter): DataConverter {
  const before = (existing?.payloadCodecs ?? []).filter((codec) => !ours.payloadCodecs?.includes(codec))
  return { ...ours, ...existing, payloadCodecs: [...(ours.payloadCodecs ?? []), ...before] }
}
