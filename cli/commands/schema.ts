/** `countersign schema`: JSON Schemas of what people write, for their editors. */
import { Argument, type Command } from 'commander'
import { JSON_SCHEMAS } from '../../schemas/json-schemas.ts'
import { describedCommand } from '../context.ts'
import { printJson } from '../output.ts'

export function registerSchema(program: Command): void {
  describedCommand(program, {
    usage: 'schema',
    summary: 'print the JSON Schema of a kind of document, for editors that complete and check YAML',
    examples: ['schema manifest > manifest.schema.json'],
  })
    .addArgument(new Argument('<document>', 'which').choices(Object.keys(JSON_SCHEMAS)))
    .action((document: keyof typeof JSON_SCHEMAS) => printJson(JSON_SCHEMAS[document]()))
}
