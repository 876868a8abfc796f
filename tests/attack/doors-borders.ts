/** Doors around the worker: where the connections of tenants may lead, and what they may take along. */
import type { Door } from './door.ts'

const TARGETS = 'activities/targets.ts'
const SQL_TARGETS = 'activities/executors/sql-targets.ts'
const FILE = 'borders.test.ts'

export const borders: Door[] = [
  {
    name: 'a worker may make keys',
    patches: [
      {
        file: 'db/grants.sql',
        find: 'grant select, insert, update on api_keys to :api;',
        replace: 'grant select, insert, update on api_keys to :api, :worker;',
      },
    ],
    test: { file: 'stolen-address.test.ts', title: 'makes no key, no lead and no policy' },
    says: 'he makes a key: it was done',
  },
  {
    name: 'an address may name a file, as the driver would let it',
    patches: [
      {
        file: 'lib/database-address.ts',
        find: '  const url = new URL(text)\n',
        replace:
          "  const url = new URL(text)\n  const file = url.searchParams.get('sslrootcert')\n  if (file) process.getBuiltinModule('node:fs').readFileSync(file)\n",
      },
    ],
    test: { file: FILE, title: 'a file that an address names is not opened, and the worker goes on' },
    says: 'the worker stands still',
  },
  {
    name: 'a database without a password is told that of the worker',
    patches: [
      {
        file: SQL_TARGETS,
        find: 'password: () => address.password,',
        replace: 'password: address.password,',
      },
    ],
    test: {
      file: FILE,
      title: 'what the environment has for the database of the worker is told to no other one',
    },
    says: 'the database was told: password-of-the-worker-itself',
  },
  {
    name: 'a tenant opens private networks by its own word',
    patches: [
      {
        file: TARGETS,
        find: 'spec.allow_private_addresses ? allowedFor(deps.allowedHosts ?? [], organization) : []',
        replace: "spec.allow_private_addresses ? [{ host: '0.0.0.0', prefix: 0 }] : []",
      },
    ],
    test: { file: FILE, title: 'a private address is not reached on the word of the tenant alone' },
    says: 'the network of the operator was reached',
  },
  {
    name: 'a database may be anywhere',
    patches: [
      {
        file: TARGETS,
        find: '    refuse(() => refuseLiteral(address, allowedFor(deps.allowedHosts ?? [], organization)))\n',
        replace: '',
      },
      {
        file: SQL_TARGETS,
        find: '    stream: () => guardedSocket(allowed, (read) => inStretch(organization, read)),\n',
        replace: '',
      },
    ],
    test: { file: FILE, title: 'a private address is not reached as a database either' },
    says: 'the network of the operator was reached',
  },
  {
    name: 'a secret goes wherever a manifest says',
    patches: [
      {
        file: 'activities/secrets.ts',
        find: 'if (place !== null && !mayGoTo(',
        replace: 'if (place?.port === 0 && !mayGoTo(',
      },
    ],
    test: { file: FILE, title: 'a secret goes to no host that it is not bound to' },
    says: 'the secret was sent to another host',
  },
]
