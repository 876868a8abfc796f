/**
 * `npm run build`: makes `dist`, from which the package and the image run without a loader. JavaScript and declarations
 * from TypeScript, copies of the other files that are read at run time, and the bundle of the workflows. Nothing in it
 * tells of the machine that built it. Tests make one of their own, elsewhere and without declarations:
 * `--into FOLDER --no-types`.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { DefaultLogger } from '@temporalio/worker'
import type { bundleWorkflows } from '../workers/bundle.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const { values: options } = parseArgs({
  options: { into: { type: 'string', default: path.join(ROOT, 'dist') }, 'no-types': { type: 'boolean' } },
})
const DIST = path.resolve(options.into)

/** Folders without code of the package. */
const NOT_BUILT = ['node_modules', 'dist', 'coverage', 'docs', 'tests']

/** A file that is neither TypeScript nor named here ends the build: it would be missed by whoever runs the package. */
const OTHER_FILES: readonly { files: RegExp; copied: boolean; why: string }[] = [
  { files: /^db\/migrations\/\d{4}_\w+\.sql$/, copied: true, why: 'applied by db/migrate.ts' },
  { files: /^db\/grants\.sql$/, copied: true, why: 'applied by db/grants.ts' },
  {
    files: /^(sdk\/target|examples\/.*)\/\w+\.sql$/,
    copied: true,
    why: 'tables at a target, made by its owner',
  },
  {
    files: /^examples\/.*\.test\.yaml$/,
    copied: false,
    why: 'tests of the stories, played in the repository',
  },
  {
    files: /^examples\/imported\/definitions\//,
    copied: false,
    why: 'what the examples there were imported from',
  },
  { files: /^examples\/.*\.(ya?ml|json)$/, copied: true, why: 'manifests of the stories' },
  {
    files: /^scripts\/temporal\/(go\.(mod|sum)|tools\.go)$/,
    copied: true,
    why: 'what the Temporal CLI is built from; their hash names it in the cache',
  },
  { files: /\.cjs$/, copied: true, why: 'Temporal loads it with `require`, also from source' },
  { files: /^cli\/bin\.mjs$/, copied: false, why: 'part of the package as it is, beside dist' },
  { files: /^docker\//, copied: false, why: 'mounted by Compose, or read by Docker, in a clone' },
  { files: /\.md$/, copied: false, why: 'read by people, in the repository' },
]

async function build(): Promise<void> {
  rmSync(DIST, { recursive: true, force: true })
  compile()
  for (const file of filesToCopy(otherFiles())) copy(file)
  await bundle()
}

function compile(): void {
  const packageFile = createRequire(import.meta.url).resolve('typescript/package.json')
  const compiler = path.join(path.dirname(packageFile), 'bin', 'tsc')
  const untyped = options['no-types'] ? ['--noCheck', '--declaration', 'false'] : []
  execFileSync(
    process.execPath,
    [compiler, '--project', 'tsconfig.build.json', '--outDir', DIST, ...untyped],
    { cwd: ROOT, stdio: 'inherit' },
  )
}

/** Everything in the folders of the code that the compiler leaves alone; paths with slashes, from the root. */
function otherFiles(): string[] {
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NOT_BUILT.includes(entry.name))
    .map((entry) => entry.name)
  return folders
    .flatMap((folder) =>
      readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
        .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
    )
    .sort()
}

function filesToCopy(files: readonly string[]): string[] {
  return files.filter((file) => {
    const rule = OTHER_FILES.find((each) => each.files.test(file))
    if (rule === undefined) {
      throw new Error(
        `${file} is not TypeScript: say in OTHER_FILES of scripts/build.ts whether it is copied`,
      )
    }
    return rule.copied
  })
}

function copy(file: string): void {
  const target = path.join(DIST, file)
  mkdirSync(path.dirname(target), { recursive: true })
  copyFileSync(path.join(ROOT, file), target)
}

/** From what was compiled, so that its stack traces name files of the package. */
async function bundle(): Promise<void> {
  const built = pathToFileURL(path.join(DIST, 'workers', 'bundle.js')).href
  const { bundleWorkflows: make } = (await import(built)) as { bundleWorkflows: typeof bundleWorkflows }
  const { code } = await make({ logger: new DefaultLogger('WARN') })
  writeFileSync(path.join(DIST, 'workflow-bundle.js'), withoutPlaces(code))
}

const MAP_START = '//# sourceMappingURL=data:application/json;'

/**
 * The map at its end, which a worker insists on, names every source by its place on this machine, and repeats all of
 * them: now it names them by their place in the package, or in `node_modules`.
 */
function withoutPlaces(code: string): string {
  const start = code.lastIndexOf(MAP_START)
  if (start < 0) throw new Error('the bundle has no source map')
  const encoded = code.slice(code.indexOf('base64,', start) + 'base64,'.length)
  const { sourcesContent: _, ...map } = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as {
    sources: string[]
    sourcesContent?: string[]
  }
  const sources = map.sources.map((source) =>
    source.replace(ROOT, '').replace(/(^|\|)\/.*?\/node_modules\//, '$1node_modules/'),
  )
  const json = JSON.stringify({ ...map, sources })
  return `${code.slice(0, start)}${MAP_START}charset=utf-8;base64,${Buffer.from(json).toString('base64')}\n`
}

await build()
