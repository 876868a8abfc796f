/** Three automations beside the late fee, on its connections and under its policy: apply those first. */
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { ManifestSchema, type Manifest } from '../../schemas/manifests.ts'

const FILES = ['review-disputes.yaml', 'settle-disputes.yaml', 'keep-note.yaml']

export async function loadDisputeManifests(): Promise<Manifest[]> {
  const texts = await Promise.all(FILES.map((name) => readFile(new URL(name, import.meta.url), 'utf8')))
  return texts.map((text) => ManifestSchema.parse(parse(text)))
}
