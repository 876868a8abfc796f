/** The generated pages: `npm run docs` writes them, tests/docs/generated.test.ts compares them. */
import { renderCli } from './cli.ts'
import { renderConfig } from './config.ts'
import { renderErrors } from './errors.ts'
import { renderExpressions } from './expressions.ts'
import { renderHttp } from './http.ts'
import { renderLimits } from './limits.ts'
import { renderManifests } from './manifests.ts'
import { renderNames } from './names.ts'
import { renderRetention } from './retention.ts'

/** By file in docs/reference. */
export const GENERATED_PAGES: Record<string, () => string> = {
  'cli.md': renderCli,
  'config.md': renderConfig,
  'errors.md': renderErrors,
  'expressions.md': renderExpressions,
  'http.md': renderHttp,
  'limits.md': renderLimits,
  'manifests.md': renderManifests,
  'names.md': renderNames,
  'retention.md': renderRetention,
}
