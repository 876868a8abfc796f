/**
 * docker-compose.yml is valid by the schema of the Compose specification, and fits the rest of the repository. The
 * schema is read from the package `dclint`, which carries the one of the specification.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../config.ts'
import { SEARCH_ATTRIBUTES } from '../../schemas/names.ts'

interface Service {
  image: string
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  volumes?: string[]
  secrets?: string[]
  ports?: string[]
  build?: { context: string; dockerfile: string }
  command?: string[]
  healthcheck?: { test: string[] }
}

interface Compose {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  secrets: Record<string, unknown>
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const text = read('docker-compose.yml')
const compose = parse(text, { merge: true }) as Compose
const services = Object.entries(compose.services)
const ours = services.filter(([name]) => name === 'api' || name === 'worker')

describe('docker-compose.yml', () => {
  test('is valid by the Compose specification', () => {
    const packageFile = createRequire(import.meta.url).resolve('dclint/package.json')
    const schemaFile = path.join(path.dirname(packageFile), 'schemas/compose.schema.json')
    // Its `$schema` is spelled with https, which Ajv does not take for draft-07.
    const { $schema: _, ...schema } = JSON.parse(readFileSync(schemaFile, 'utf8')) as Record<string, unknown>
    const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }))
    // Formats of the specification that only Go checks.
    for (const format of ['ports', 'expose', 'duration', 'subnet_ip_address']) ajv.addFormat(format, true)
    const validate = ajv.compile(schema)

    expect(validate(compose), JSON.stringify(validate.errors)).toBe(true)
    const broken = { ...compose, services: { api: { ...compose.services['api'], depends: ['postgres'] } } }
    expect(validate(broken)).toBe(false)
  })

  test('pins every image to a release', () => {
    const fromLines = [...read('docker/Dockerfile').matchAll(/^FROM (\S+)/gm)].map((match) => match[1])
    for (const image of [...services.map(([, service]) => service.image), ...fromLines]) {
      expect(image).toMatch(/^[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z-]+)?$/)
    }
    const { version } = JSON.parse(read('package.json')) as { version: string }
    expect(compose.services['api']?.image).toBe(`countersign:${version}`)
    const release = (name: string) => compose.services[name]?.image.split(':')[1]
    expect(release('temporal-schema')).toBe(release('temporal'))
    expect(release('temporal-namespace')).toBe(release('temporal'))
  })

  test('names only services, volumes, secrets and files that exist', () => {
    for (const [name, service] of services) {
      for (const needed of Object.keys(service.depends_on ?? {})) {
        expect(Object.keys(compose.services), `${name} depends on ${needed}`).toContain(needed)
      }
      for (const volume of service.volumes ?? []) {
        const source = volume.split(':')[0] ?? ''
        const isThere = source.startsWith('./') ? exists(source) : source in compose.volumes
        expect(isThere, `${name} mounts ${source}`).toBe(true)
      }
      for (const secret of service.secrets ?? []) expect(compose.secrets).toHaveProperty([secret])
      if (service.build) expect(exists(service.build.dockerfile)).toBe(true)
    }
  })

  test('runs programs that the build makes and the image has', () => {
    const [, runtime = ''] = read('docker/Dockerfile').split(/^FROM (?!.* AS build)/m)
    const copied = [...runtime.matchAll(/^COPY --from=build (.+) \S+$/gm)].flatMap(([, from = '']) =>
      from.split(' ').map((file) => file.replace('/app/', '')),
    )
    expect(copied).toContain('dist')
    const context = contextOfImage()
    const cmd = JSON.parse(/^CMD (\[.*\])$/m.exec(runtime)?.[1] ?? '[]') as string[]
    const programs = services.filter(([, service]) => service.build)
    const commands = programs.map(([, service]) => service.command ?? [])
    expect(commands).toHaveLength(4)
    const [, ...workerCheck] = compose.services['worker']?.healthcheck?.test ?? []
    commands.push(workerCheck)
    for (const [program, file = ''] of [cmd, ...commands]) {
      expect(program).toBe('node')
      const source = file.replace(/^dist\/(.*)\.js$/, '$1.ts')
      expect(source).not.toBe(file)
      expect(exists(source), file).toBe(true)
      expect(
        context.some((each) => source === each || source.startsWith(`${each}/`)),
        source,
      ).toBe(true)
    }
    for (const file of copied.filter((each) => !['dist', 'node_modules'].includes(each))) {
      expect(exists(file), file).toBe(true)
      expect(
        context.some((each) => file === each || file.startsWith(`${each}/`)),
        file,
      ).toBe(true)
    }
  })

  test('builds the image from files that exist', () => {
    for (const name of contextOfImage()) expect(exists(name), name).toBe(true)
  })

  test.each(ours)('gives %s an environment that config.ts accepts and knows', (_name, service) => {
    const environment = Object.fromEntries(
      Object.entries(service.environment ?? {}).map(([name, value]) => [name, interpolate(value)]),
    )
    // The secret is not there, and its file would be read.
    const { DATABASE_URL_FILE: _file, ...rest } = environment
    const config = loadConfig({}, { ...rest, DATABASE_URL: 'postgres://somewhere' })
    expect(config.identity).toBe('verified')

    const known = variablesOfConfig()
    for (const name of Object.keys(environment)) expect(known).toContain(name)
  })

  test('lets the API know the proxies before it, and the Temporal UI where values are shown', () => {
    const { api, 'temporal-ui': ui } = compose.services
    expect(api?.environment).toHaveProperty('COUNTERSIGN_TRUSTED_PROXIES')
    expect(ui?.environment).toHaveProperty('TEMPORAL_CODEC_ENDPOINT')
  })

  test('has no default for a secret, and .env.example names every variable', () => {
    const variables = [...text.matchAll(/\$\{(\w+)([^}]*)\}/g)]
    const example = read('.env.example')
    expect(variables.length).toBeGreaterThan(0)
    for (const [, name = '', rest = ''] of variables) {
      expect(example).toMatch(new RegExp(`^#?${name}=`, 'm'))
      if (/PASSWORD|SECRET/.test(name)) expect(rest, name).toMatch(/^:\?/)
    }
    expect(example).not.toMatch(/PASSWORD=\S/)
  })

  test('gives each process its own login of the database, and that of the owner to none that listens or calls', () => {
    const loginOf = (name: string): string | undefined => {
      const { environment, secrets } = compose.services[name] ?? {}
      const login = environment?.['DATABASE_URL_FILE']?.replace('/run/secrets/', '')
      expect(secrets?.filter((secret) => secret !== 'connections')).toEqual([login])
      return login
    }
    const logins = ['migrate', 'api', 'worker'].map(loginOf)
    expect(logins).toEqual(['countersign', 'countersign_api', 'countersign_worker'])
    const { COUNTERSIGN_API_ROLE: api, COUNTERSIGN_WORKER_ROLE: worker } =
      compose.services['migrate']?.environment ?? {}
    expect([api, worker]).toEqual(logins.slice(1))
    for (const login of logins)
      expect(read('docker/postgres-init.sh')).toContain(`create role ${login} login`)
    for (const name of ['api', 'worker']) expect(compose.services[name]?.depends_on).toHaveProperty('migrate')
  })

  test('has no password of our database in an environment', () => {
    for (const [name, { environment = {} }] of services) {
      const known = Object.entries(environment).filter(
        ([variable, value]) =>
          /DATABASE_URL$|COUNTERSIGN.*PASSWORD/.test(variable) || value.includes('postgres://'),
      )
      expect([name, known]).toEqual([name, []])
    }
  })

  test('gives PostgreSQL the passwords that the addresses of our logins have', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'countersign-compose-'))
    const names = compose.services['postgres']?.secrets ?? []
    for (const name of names)
      writeFileSync(path.join(folder, name), `postgres://${name}:pw-of_${name}@postgres:5432/countersign\n`)
    // All of the script but its last command, which needs a server: the passwords are in the environment by then.
    const [before = ''] = read('docker/postgres-init.sh').split('\npsql ')
    const script = `${before}\nenv`
    const environment = { PATH: process.env['PATH'], SECRETS_FOLDER: folder }
    const said = execFileSync('bash', ['-c', script], { env: environment, encoding: 'utf8' })
    expect(said).toContain('COUNTERSIGN_DB_PASSWORD=pw-of_countersign\n')
    expect(said).toContain('COUNTERSIGN_API_DB_PASSWORD=pw-of_countersign_api\n')
    expect(said).toContain('COUNTERSIGN_WORKER_DB_PASSWORD=pw-of_countersign_worker\n')
    writeFileSync(path.join(folder, 'countersign_api'), 'postgres://countersign_api@postgres/countersign')
    const broken = spawnSync('bash', ['-c', script], { env: environment, encoding: 'utf8' })
    rmSync(folder, { recursive: true })
    expect([broken.status, broken.stderr]).toEqual([
      1,
      expect.stringContaining('the secret countersign_api is no'),
    ])
  })

  test('publishes ports on this machine only', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? [])
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
  })

  test('keeps the key of the API from the worker, and the secrets of connections from the API', () => {
    const { api, worker } = compose.services
    expect(api?.volumes).toEqual(['api-keys:/keys:ro'])
    expect(worker?.volumes).toEqual(['worker-keys:/keys:ro'])
    expect(api?.secrets).not.toContain('connections')
    expect(worker?.secrets).toContain('connections')
  })

  test('registers the search attributes that we set', () => {
    const names = compose.services['temporal-namespace']?.environment?.['SEARCH_ATTRIBUTES']?.split(' ')
    expect(names).toEqual(expect.arrayContaining(Object.values(SEARCH_ATTRIBUTES)))
    expect(names).toHaveLength(Object.values(SEARCH_ATTRIBUTES).length)
    expect(read('docs/how-to/operate.md')).toContain(`for name in ${names?.join(' ')}; do`)
  })
})

/** The names that `loadConfig` looks up. */
function variablesOfConfig(): string[] {
  const names: string[] = []
  const spy = new Proxy<Record<string, string>>(
    {},
    {
      get: (_target, name) => {
        names.push(String(name))
        return name === 'DATABASE_URL' ? 'postgres://somewhere' : undefined
      },
    },
  )
  loadConfig({}, spy)
  return names
}

/** What Docker's build sees of this repository. */
function contextOfImage(): string[] {
  const lines = read('docker/Dockerfile.dockerignore').split('\n')
  expect(lines).toContain('*')
  return lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
}

/** As Compose does it: `${NAME:-default}`, and a value for what must be set. */
function interpolate(value: string): string {
  return value.replace(/\$\{\w+(?::-([^}]*)|[^}]*)\}/g, (_whole, fallback?: string) => fallback ?? 'set')
}

function read(name: string): string {
  return readFileSync(path.join(ROOT, name), 'utf8')
}

function exists(name: string): boolean {
  return existsSync(path.join(ROOT, name))
}
