/**
 * `make-keys.js ALL API WORKER`: makes the signing keys of a deployment in the folder ALL, unless they are there, and
 * gives API and WORKER the public keys and the one private key each of them signs with. Nobody else mounts ALL.
 */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureKeys } from '../lib/keys.ts'

const [all, api, worker] = process.argv.slice(2)
if (!all || !api || !worker)
  throw new Error('name three folders: all keys, those of the API, those of the worker')

ensureKeys(all)
for (const [folder, privateKey] of [
  [api, 'decision.key.pem'],
  [worker, 'receipt.key.pem'],
] as const) {
  for (const name of [privateKey, 'public.json']) copyFileSync(join(all, name), join(folder, name))
}
