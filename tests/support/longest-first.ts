/** The folders with the longest files come first: a file of two minutes that starts last leaves the other workers idle. */
import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const LONGEST_FIRST = [
  'tests/chaos/',
  'tests/e2e/',
  'tests/attack/',
  'tests/packaging/',
  'tests/docs/tutorial/',
  'tests/workflows/',
]

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number => {
      const path = relative(this.ctx.config.root, moduleId)
      const found = LONGEST_FIRST.findIndex((folder) => path.startsWith(folder))
      return found === -1 ? LONGEST_FIRST.length : found
    }
    return sorted.sort((one, other) => rank(one) - rank(other))
  }
}
