/** What a test says that the world answers and that people decide, and which of it was asked for. */
import { canonicalJson } from '../lib/canonical-json.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { matchesGlob } from '../lib/policy.ts'
import type {
  Answer,
  AskFixture,
  AutomationTest,
  DecisionFixture,
  Outcome,
  TestFile,
} from '../schemas/automation-tests.ts'

/** Who asks: a call, or a sub-run. */
export interface Asking {
  path: string
  connection?: string
  tool?: string
  automation?: string
  arguments: JsonObject
}

export interface Fixtures {
  /** Undefined if the test says nothing of it. Of a sequence each asking takes one, and the last one stays. */
  answerTo(asking: Asking): Outcome | undefined
  /** What the operator, or the server, says of the tool. */
  classOf(asking: Asking): 'read' | 'write' | undefined
  /** All that people say about the write at this path, in its order. */
  decisionsOn(path: string): DecisionFixture[]
  /** What people answer to the question at this path, in its order; asked for one by one. */
  answersToAsk(path: string): Iterable<AskFixture>
  /** Of the test itself: places of what nobody asked for. */
  unused(): string[]
}

export function createFixtures(file: Pick<TestFile, 'answers'>, test: AutomationTest): Fixtures {
  const answers = [...test.answers, ...file.answers]
  const taken = new Map<object, number>()
  const find = (asking: Asking) => answers.find((answer) => fits(answer, asking))
  return {
    answerTo(asking) {
      const answer = find(asking)
      if (!answer) return undefined
      const times = taken.get(answer) ?? 0
      taken.set(answer, times + 1)
      const { sequence } = answer
      return sequence ? sequence[Math.min(times, sequence.length - 1)] : answer
    },
    classOf: (asking) => find(asking)?.class,
    decisionsOn(path) {
      const found = test.decisions.filter((decision) => matchesGlob(decision.path, path))
      for (const decision of found) taken.set(decision, 1)
      return found
    },
    *answersToAsk(path) {
      for (const ask of test.asks) {
        if (!matchesGlob(ask.path, path)) continue
        taken.set(ask, 1)
        yield ask
      }
    },
    unused() {
      const kinds = ['answers', 'decisions', 'asks'] as const
      return kinds.flatMap((kind) =>
        test[kind].flatMap((one, index) => (taken.has(one) ? [] : [`${kind}[${index}]`])),
      )
    },
  }
}

function fits(answer: Answer, asking: Asking): boolean {
  const { path, connection, tool, automation } = answer
  return (
    (path === undefined || matchesGlob(path, asking.path)) &&
    (connection === undefined || connection === asking.connection) &&
    (tool === undefined || tool === asking.tool) &&
    (automation === undefined || automation === asking.automation) &&
    Object.entries((answer.arguments ?? {}) as JsonObject).every(([name, value]) =>
      isSame(asking.arguments[name], value),
    )
  )
}

export function isSame(left: JsonValue | undefined, right: JsonValue): boolean {
  return left !== undefined && canonicalJson(left) === canonicalJson(right)
}
