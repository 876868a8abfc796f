/**
 * A workflow definition of the public guide as an automation. Each step becomes one step, in the same order; a tool gets
 * what the step before gave, the first one the input. What has no place here is told as a warning and left out.
 */
import { manifestNameOf, stepNameOf } from '../lib/imported-names.ts'
import type { JsonObject } from '../lib/json.ts'
import { placesOf } from '../lib/zod-places.ts'
import { sentenceOf } from '../lib/zod-sentences.ts'
import { NameSchema, StepNameSchema } from '../schemas/common.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import {
  WorkflowDefinitionSchema,
  type DefinitionStep,
  type WorkflowDefinition,
} from '../schemas/workflow-definition.ts'
import { documentPlaces, knownOf } from './check.ts'
import { parseDocuments, place } from './document.ts'
import { codeRefusals, codeWarnings, droppedFields, optionsOf, type Converted } from './import-steps.ts'

export interface ImportOptions {
  /** Of the automation; else made from the name of the definition. */
  name?: string | undefined
  /** Names of connections, by id or display name of the integration; else made from that. */
  connections: ReadonlyMap<string, string>
}

export interface Imported {
  manifest: JsonObject
  /** What the definition says of its steps, for people; by position, undefined where it says nothing. */
  comments: (string | undefined)[]
  /** Paths are those in the definition, here and in the places of a failure. */
  warnings: ProblemPlace[]
}

export type ImportResult = ({ ok: true } & Imported) | { ok: false; places: ProblemPlace[] }

/** `source` is as it came from JSON. All that is wrong is told at once. */
export async function importDefinition(source: unknown, options: ImportOptions): Promise<ImportResult> {
  const parsed = WorkflowDefinitionSchema.safeParse(source, { error: sentenceOf })
  if (!parsed.success) return { ok: false, places: placesOf('', parsed.error.issues) }
  const definition = parsed.data
  const named = namesOf(definition, options)
  const refused = [...named.places, ...definition.steps.flatMap(stepRefusals)]
  if (refused.length > 0) return { ok: false, places: refused }
  const steps = definition.steps.map((step, index) => convert(step, index, named))
  const manifest = {
    kind: 'Automation',
    name: named.automation,
    spec: {
      ...(definition.description === undefined ? {} : { description: definition.description }),
      ...(definition.inputSchema === undefined ? {} : { input: definition.inputSchema as JsonObject }),
      steps: steps.map(({ step }) => step),
    },
  }
  const places = await manifestPlaces(manifest, definition)
  if (places.length > 0) return { ok: false, places }
  return {
    ok: true,
    manifest,
    comments: definition.steps.map(({ def }) => def.description),
    warnings: [...definitionWarnings(definition, options), ...steps.flatMap(({ warnings }) => warnings)],
  }
}

const CODE_RUNS =
  'code computes for 5s here and is not tried again; the guide gives it 10 minutes and 5 retries'
const CODE_HINT = 'Where it needs more, add `code.timeout` (60s at most) and `retry` to the step.'

interface Names {
  automation: string
  steps: string[]
  connections: (string | undefined)[]
  places: ProblemPlace[]
}

function namesOf(definition: WorkflowDefinition, options: ImportOptions): Names {
  const automation = options.name ?? manifestNameOf(definition.name)
  const steps = definition.steps.map(({ def }) => stepNameOf(def.name))
  const connections = definition.steps.map((step) =>
    step.type === 'tool_call' ? connectionOf(step.def.integration, options) : undefined,
  )
  const places = [
    ...(NameSchema.safeParse(automation).success
      ? []
      : [
          place(
            'import',
            'name',
            `gives no name of an automation: \`${automation}\``,
            'Say one with `--name`.',
          ),
        ]),
    ...steps.flatMap((name, index) => stepNamePlaces(name, index, steps)),
    ...connections.flatMap((name, index) => {
      if (name === undefined || NameSchema.safeParse(name).success) return []
      const hint = 'Say which connection it is with `--connection INTEGRATION=NAME`.'
      return [
        place(
          'import',
          `steps[${index}].def.integration`,
          `gives no name of a connection: \`${name}\``,
          hint,
        ),
      ]
    }),
  ]
  return { automation, steps, connections, places }
}

function connectionOf(integration: string, { connections }: ImportOptions): string {
  return connections.get(integration) ?? manifestNameOf(integration)
}

function stepNamePlaces(name: string, index: number, names: readonly string[]): ProblemPlace[] {
  const path = `steps[${index}].def.name`
  const first = names.indexOf(name)
  if (first < index)
    return [place('import', path, `becomes \`${name}\`, as that of steps[${first}]`, 'Rename one.')]
  const valid = StepNameSchema.safeParse(name)
  if (valid.success && name !== 'step_') return []
  return [place('import', path, `gives no name of a step: \`${name}\``, 'Rename it.')]
}

function stepRefusals(step: DefinitionStep, index: number): ProblemPlace[] {
  return step.type === 'code' ? codeRefusals(`steps[${index}].def.execute`, step.def.execute) : []
}

function convert(step: DefinitionStep, index: number, names: Names): Converted {
  const at = `steps[${index}]`
  const name = names.steps[index] ?? ''
  if (step.type === 'code') {
    return {
      step: { name, code: { source: step.def.execute } },
      warnings: [
        ...droppedFields(at, step, ['type', 'def']),
        ...droppedFields(`${at}.def`, step.def, ['name', 'description', 'execute']),
        ...codeWarnings(`${at}.def.execute`, step.def.execute, names.steps.slice(0, index)),
      ],
    }
  }
  const { fields, warnings } = optionsOf(`${at}.def.options`, step.def.options)
  const before = names.steps[index - 1]
  const call = {
    connection: names.connections[index] ?? '',
    tool: step.def.tool_name,
    arguments: before === undefined ? '${{ input }}' : `\${{ steps.${before}.output }}`,
  }
  const known = ['name', 'description', 'tool_name', 'integration', 'options']
  return {
    step: { name, ...fields, tool_call: call },
    warnings: [
      ...droppedFields(at, step, ['type', 'def']),
      ...droppedFields(`${at}.def`, step.def, known),
      ...warnings,
    ],
  }
}

function definitionWarnings(definition: WorkflowDefinition, options: ImportOptions): ProblemPlace[] {
  const integrations = definition.steps.flatMap((step) =>
    step.type === 'tool_call' ? [step.def.integration] : [],
  )
  const unused = [...options.connections.keys()].filter((name) => !integrations.includes(name))
  const result = 'is left out: a result is not checked here'
  return [
    ...droppedFields('', definition, ['name', 'description', 'inputSchema', 'outputSchema', 'steps']),
    ...(definition.outputSchema === undefined ? [] : [place('import', 'outputSchema', result)]),
    ...(definition.steps.some(({ type }) => type === 'code')
      ? [place('import', 'steps', CODE_RUNS, CODE_HINT)]
      : []),
    ...unused.map((name) => {
      const known = [...new Set(integrations)].join(', ')
      return place('import', 'steps', `no step is about the integration ${name}`, `There are: ${known}.`)
    }),
  ]
}

/** What could not be saved is not handed out either; its places, as places in the definition. */
async function manifestPlaces(manifest: JsonObject, { steps }: WorkflowDefinition): Promise<ProblemPlace[]> {
  const { documents, places } = parseDocuments([manifest])
  const known = knownOf(
    documents.map((document) => document.manifest),
    true,
  )
  const all = [...places, ...(await documentPlaces(documents, known))]
  return all.map((found) => ({ ...found, path: pathInDefinition(found.path, steps) }))
}

function pathInDefinition(path: string, steps: readonly DefinitionStep[]): string {
  const inside = path.replace(/^manifests\[0\]\.?/, '').replace(/^spec\.?/, '')
  const [, index] = /^steps\[(\d+)\]/.exec(inside) ?? []
  if (index === undefined) return inside.replace(/^input\b/, 'inputSchema')
  const field = steps[Number(index)]?.type === 'code' ? '.def.execute' : '.def'
  return `steps[${index}]${field}`
}
