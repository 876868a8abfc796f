/** Doors that bound the number of values, where their bytes are few. */
import type { Door, Patch } from './door.ts'

const FILE = 'many-values.test.ts'

const anyNumber: Patch = {
  file: 'lib/limits.ts',
  find: 'return parts > most.parts ?',
  replace: 'return parts < 0 ?',
}

const anyPiece: Patch = {
  file: 'mcp/http-link.ts',
  find: 'inTurn: (read) => inStretch(options.organization, read),',
  replace: 'inTurn: (read) => read(),',
}

export const counts: Door[] = [
  {
    name: 'how many values a tool answers is not counted',
    patches: [
      {
        file: 'activities/executors/mcp-answers.ts',
        find: "if (message !== null) return { output: null, code: 'RESULT_TOO_LARGE', message }",
        replace: "if (message === '') return { output: null, code: 'RESULT_TOO_LARGE', message }",
      },
    ],
    test: { file: FILE, title: 'of a tool with more values in it than a run keeps fails its step' },
    says: "to be 'RESULT_TOO_LARGE'",
  },
  {
    name: 'how much an answer has in it is not counted before it is read',
    patches: [
      {
        file: 'mcp/reader.ts',
        find: 'if (parts > MAX_ANSWER_PARTS) throw',
        replace: 'if (parts > 1e9) throw',
      },
    ],
    test: {
      file: 'many-names.test.ts',
      title:
        'answers with half a million names are refused before they are made, and keep nobody else waiting',
    },
    says: `to contain 'more than 200000 values and names'`,
  },
  {
    name: 'what is told over a stream that goes on is counted anew',
    patches: [
      {
        file: 'mcp/http-link.ts',
        find: 'work: state.work,\n    maxBytes: state.maxResultBytes,',
        replace: 'work: new AnswerWork(),\n    maxBytes: state.maxResultBytes,',
      },
    ],
    test: {
      file: '../mcp/many-messages.test.ts',
      title: 'what is told over a stream that goes on is counted with what came before it was cut off',
    },
    says: "to match object { code: 'RESULT_TOO_LARGE'",
  },
  {
    name: 'what comes around the content of an answer is not counted',
    patches: [
      {
        file: 'lib/wire-meter.ts',
        find: 'if (this.#bytesAround > MAX_BYTES_AROUND)',
        replace: 'if (this.#bytesAround > 1e12)',
      },
    ],
    test: {
      file: '../mcp/uncounted-bytes.test.ts',
      title: 'an answer with extensions of chunks without end is refused',
    },
    says: 'no answer before the deadli',
  },
  {
    name: 'how often a server says that an answer follows is not counted',
    patches: [
      {
        file: 'lib/wire-meter.ts',
        find: 'if (interim === MAX_INTERIM + 1)',
        replace: 'if (interim < 0)',
      },
    ],
    test: {
      file: '../mcp/uncounted-bytes.test.ts',
      title: 'an answer with interim responses without end is refused',
    },
    says: 'expected McpCallError: the answer has more than 52',
  },
  {
    name: 'small pieces of an answer are taken as they come',
    patches: [anyPiece],
    test: { file: '../mcp/uncounted-bytes.test.ts', title: 'the calls of others go on' },
    says: 'to be greater than',
  },
  {
    name: 'large answers are read as they come',
    patches: [
      {
        file: 'mcp/reader.ts',
        find: 'const isLarge = reading.work.isLarge({ parts, length: bare.length })',
        replace: 'const isLarge = false',
      },
      {
        file: 'mcp/reading-turn.ts',
        find: 'if (!isLarge) return await inStretch(this.#owner, read)',
        replace: 'if (!isLarge) return read()',
      },
      anyPiece,
    ],
    test: {
      file: '../mcp/reading-turn.test.ts',
      title: 'of one organization let others pass, small ones at once',
    },
    says: 'to be less than',
  },
  {
    name: 'how much a server says before its answer is not counted',
    patches: [
      {
        file: 'mcp/answer-work.ts',
        find: 'if (this.#messages > MAX_MESSAGES)',
        replace: 'if (this.#messages < 0)',
      },
    ],
    test: { file: '../mcp/many-messages.test.ts', title: 'an answer with too many events is refused' },
    says: 'to match object',
  },
  {
    name: 'an answer that waits is none',
    patches: [
      {
        file: 'mcp/reading-turn.ts',
        find: 'setTimeout(() => this.#endWaits(), deadlineAtMs - LEAD_MS - Date.now()).unref()',
        replace: '',
      },
    ],
    test: { file: '../mcp/reading-turn.test.ts', title: 'over HTTP is read out of turn for a write' },
    says: 'to be 90000',
  },
  {
    name: 'how many values code gives is not counted',
    patches: [
      anyNumber,
      {
        file: 'lib/sandbox/evaluate.ts',
        find: 'depth: MAX_CODE_RESULT_DEPTH, parts: LIMITS.valueParts }',
        replace: 'depth: MAX_CODE_RESULT_DEPTH, parts: 1e9 }',
      },
    ],
    test: { file: FILE, title: 'of code with more values in it than a run keeps fails its step' },
    says: "expected 'completed' to be 'VALUE_TOO_LARGE'",
  },
  {
    name: 'how many values an expression gives is not counted',
    patches: [
      anyNumber,
      {
        file: 'lib/cel-result.ts',
        find: 'if (budget.parts > LIMITS.valueParts) {',
        replace: 'if (budget.parts < 0) {',
      },
    ],
    test: { file: FILE, title: 'of an expression with more values in it than a run keeps fails its step' },
    says: "expected 'completed' to be 'VALUE_TOO_LARGE'",
  },
  {
    name: 'how many values a run keeps is not counted',
    patches: [anyNumber],
    test: {
      file: FILE,
      title: 'of many, each short enough, ends the run where all of them together are too many',
    },
    says: "expected 'completed' to be 'VALUE_TOO_LARGE'",
  },
  {
    name: 'how many values a request has is not counted',
    patches: [{ file: 'api/body.ts', find: 'parts: LIMITS.valueParts }', replace: 'parts: 1e9 }' }],
    test: { file: FILE, title: 'with more values than one may have is refused before they are made' },
    says: 'to match object',
  },
  {
    name: 'how often a value is made is not counted',
    patches: [
      {
        file: 'schemas/common.ts',
        find: 'export const JsonSchema = z.unknown().superRefine(',
        replace: 'export const JsonSchema = z.json().superRefine(',
      },
    ],
    test: { file: FILE, title: 'has its values looked at, and not made anew one by one' },
    says: 'Object.is equality',
  },
  {
    name: 'how much is said beside a value is not counted',
    patches: [
      {
        file: 'api/codec.ts',
        find: 'Object.keys(metadata ?? {}).length <= MAX_METADATA',
        replace: 'Object.keys(metadata ?? {}).length >= 0',
      },
    ],
    test: { file: FILE, title: 'takes as much beside a value as Temporal has to say of it' },
    says: 'to match object',
  },
  {
    name: 'how much the codec answers is not counted',
    patches: [
      {
        file: 'api/codec.ts',
        find: 'if (totalLength > MAX_ANSWER_LENGTH)',
        replace: 'if (totalLength < 0)',
      },
    ],
    test: {
      file: FILE,
      title: 'answers with as much as a run keeps, however often the same value is named',
    },
    says: 'to match object',
  },
  {
    name: 'how long the codec goes on is not counted',
    patches: [{ file: 'api/codec.ts', find: '    await setImmediate()\n', replace: '' }],
    test: { file: FILE, title: 'leaves a turn to others after each value' },
    says: 'to be greater than or equal to 500',
  },
  {
    name: 'how large a page becomes is not counted',
    patches: [
      {
        file: 'db/queries/cut-rows.ts',
        find: 'where place = 1 or bytes <= ${MAX_PAGE_BYTES}',
        replace: 'where place >= 1 or bytes <= ${MAX_PAGE_BYTES}',
      },
    ],
    test: { file: FILE, title: 'of approvals ends early where its values are too large together' },
    says: 'to be less than',
  },
  {
    name: 'how much a list reads is not counted',
    patches: [
      {
        file: 'db/queries/delivery-lists.ts',
        find: '${RUNS_WITHOUT_INPUT} as runs,',
        replace: 'd.runs,',
      },
    ],
    test: { file: FILE, title: 'of deliveries has not read the inputs that it does not show' },
    says: 'to be less than',
  },
  {
    name: 'a receipt may be no larger than a ticket',
    patches: [
      {
        file: 'schemas/decision.ts',
        find: '  payload: z.string(),\n',
        replace: '  payload: z.string().max(316_757),\n',
      },
    ],
    test: {
      file: '../workflows/large-receipts.test.ts',
      title: 'of largest-text is approved, made, and has receipts that verify',
    },
    says: 'to deeply equal []',
  },
  {
    name: 'what a call was given stays with its run',
    patches: [
      {
        file: 'workflows/scopes.ts',
        find: '    for (const name of Object.keys(copy)) delete copy[name as keyof Value]\n',
        replace: '',
      },
    ],
    test: {
      file: 'kept-calls.test.ts',
      title: 'what the calls of a run were given does not stay in the memory of its worker',
    },
    says: "expected 'the worker has ended' to be 'completed'",
  },
]
