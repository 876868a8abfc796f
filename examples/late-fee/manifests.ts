/**
 * The manifests of the story, as they are applied. The YAML files are complete as they stand and carry the values of a
 * first try (tenant `acme`, a billing server on this machine); four of them depend on where the story runs and are set
 * here, by their place: the address of `billing`, the scope of `billing-db`, tenant and notes folder of the trigger.
 */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { parseAllDocuments } from 'yaml'
import { CodedError } from '../../schemas/errors.ts'
import { ManifestSchema } from '../../schemas/manifests.ts'
import type { Manifest } from '../../schemas/manifests.ts'

export interface ManifestValues {
  tenant: string
  billingUrl: string
  /** Absolute: the notes server refuses everything outside of it. */
  notesFolder: string
}

/** In the order in which they can be applied: the automation names the connections. */
const FILES = ['connections.yaml', 'policy.yaml', 'late-fee.yaml']

/** With `values` they fit that place; without, they are as the files say. */
export async function loadManifests(values?: ManifestValues): Promise<Manifest[]> {
  const texts = await Promise.all(
    FILES.map((name) => readFile(new URL(`./manifests/${name}`, import.meta.url), 'utf8')),
  )
  const manifests = texts.flatMap(parseManifests)
  return values === undefined ? manifests : manifests.map((manifest) => fit(manifest, values))
}

/** The entry `notes` of the worker's file of commands: the file system server, confined to one folder. */
export function notesCommand(notesFolder: string): { command: string; args: string[] } {
  const packageFile = findNotesServer()
  const { bin } = JSON.parse(readFileSync(packageFile, 'utf8')) as { bin: Record<string, string> }
  const [program] = Object.values(bin)
  if (program === undefined) throw new Error('the file system server has no program')
  return { command: process.execPath, args: [path.join(path.dirname(packageFile), program), notesFolder] }
}

function findNotesServer(): string {
  const name = '@modelcontextprotocol/server-filesystem'
  try {
    return createRequire(import.meta.url).resolve(`${name}/package.json`)
  } catch (error) {
    const detail = `The story needs the package ${name}. Install Countersign again without \`--omit=optional\`.`
    throw new CodedError('UNAVAILABLE', detail, { cause: error })
  }
}

function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    const [error] = document.errors
    if (error) throw error
    return ManifestSchema.parse(document.toJS())
  })
}

function fit(manifest: Manifest, values: ManifestValues): Manifest {
  if (manifest.kind === 'Connection') return fitConnection(manifest, values)
  if (manifest.kind !== 'Automation') return manifest
  const { tenant, notesFolder } = values
  const triggers = manifest.spec.triggers.map((trigger) => ({
    ...trigger,
    input: { ...trigger.input, tenant, notes_folder: notesFolder },
  }))
  return { ...manifest, spec: { ...manifest.spec, triggers } }
}

function fitConnection(manifest: Manifest & { kind: 'Connection' }, values: ManifestValues): Manifest {
  const { spec } = manifest
  if (spec.type === 'postgres') {
    const scope = { column: spec.scope?.column ?? 'tenant_id', value: values.tenant }
    return { ...manifest, spec: { ...spec, scope } }
  }
  if (spec.transport === 'http') return { ...manifest, spec: { ...spec, url: values.billingUrl } }
  return manifest
}
