/** One example of each operation: what is sent, and what comes back. A test checks each against its schemas. */
import type { z } from 'zod'
import type { OperationName, Operations } from '../../../schemas/operations.ts'
import type { Operation } from '../../../schemas/operations/operation.ts'
import { configurationExamples } from './configuration.ts'
import { decisionExamples } from './decisions.ts'
import { dryRunExamples } from './dry-runs.ts'
import { runExamples } from './runs.ts'

type PartOf<Part, Name extends string> = Part extends z.ZodType
  ? Record<Name, z.input<Part>>
  : Partial<Record<Name, undefined>>

/** The parts that the operation has, and its answer. */
export type OperationExample<Op extends Operation> = PartOf<Op['params'], 'params'> &
  PartOf<Op['query'], 'query'> &
  PartOf<Op['body'], 'body'> & { output: z.output<Op['output']> }

export type ExamplesOf<Name extends OperationName> = {
  [Each in Name]: OperationExample<Operations[Each]>
}

export const EXAMPLES: ExamplesOf<OperationName> = {
  ...dryRunExamples,
  ...runExamples,
  ...decisionExamples,
  ...configurationExamples,
}
