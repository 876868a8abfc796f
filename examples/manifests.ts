/** All ten automations with the connections and the policy that they share, in an order in which they can be applied. */
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { ManifestSchema, type Manifest } from '../schemas/manifests.ts'
import { loadManifests, type ManifestValues } from './late-fee/manifests.ts'

/** Beside the story. */
const FILES = [
  'disputes/review-disputes.yaml',
  'disputes/settle-disputes.yaml',
  'disputes/keep-note.yaml',
  'fees/waive-fees.yaml',
  'fees/clear-up-dispute.yaml',
  'fees/overdue-report.yaml',
  'fees/remind-later.yaml',
  'imported/invoice-digest.yaml',
  'imported/dispute-export.yaml',
]

/** All but the story, under whose connections and policy they stand. */
export async function loadOtherManifests(): Promise<Manifest[]> {
  const texts = await Promise.all(FILES.map((name) => readFile(new URL(name, import.meta.url), 'utf8')))
  return texts.map((text) => ManifestSchema.parse(parse(text)))
}

/** With `values` they fit that place; without, they are as the files say. */
export async function loadAllManifests(values?: ManifestValues): Promise<Manifest[]> {
  return [...(await loadManifests(values)), ...(await loadOtherManifests())]
}
