/** `countersign/plugin`: what a worker of your own needs to run our workflows and activities beside its own. */
export { loadConfig, type Config } from '../config.ts'
export { temporalConnection } from '../lib/temporal-connection.ts'
export { bundleWorkflows } from './bundle.ts'
export { pluginDeps } from './deps.ts'
export { countersign, CountersignPlugin, type PluginDeps } from './plugin.ts'
