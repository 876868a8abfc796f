/** docs/reference/config.md, from the settings of config.ts. */
import { describeSettings } from '../../config.ts'
import { code, madeFrom, page, table } from './markdown.ts'

export function renderConfig(): string {
  const rows = describeSettings().map(({ variable, readBy, fallback, values, meaning }) => [
    code(variable),
    readBy.join(', '),
    fallback === undefined ? '' : code(fallback),
    values.length === 0 ? meaning : `${meaning} One of ${values.map(code).join(', ')}.`,
  ])
  return page(
    madeFrom('`config.ts`'),
    '# Configuration',
    INTRODUCTION,
    table(['variable', 'read by', 'default', 'meaning'], rows),
    SECRETS,
  )
}

const INTRODUCTION = `All of it comes from the environment. A variable that is empty counts as not set. A process that misses something, or
finds something wrong, says so for all variables at once and ends. Processes that read the database (API, worker) need
\`DATABASE_URL\` or \`DATABASE_URL_FILE\`, and not both; nothing else has to be set on one machine. The worker also has to be started with \`TZ=UTC\`.`

const SECRETS = `## Secrets of connections

A manifest names a secret, as \`\${secret:NAME}\`, and never holds one. The worker alone resolves it, at the moment of the
call: from the file in \`COUNTERSIGN_SECRETS_FILE\`, else from the variable \`COUNTERSIGN_SECRET_NAME\`. No other variable can
be named by a manifest. A secret that is not there holds the call (\`SECRET_NOT_FOUND\`); it goes on by itself when it is.

\`\`\`json
{
  "shared": {
    "WEATHER_TOKEN": { "value": "…", "hosts": ["api.weather.example"], "organizations": ["acme", "globex"] }
  },
  "organizations": { "acme": { "BILLING_MCP_TOKEN": "…", "BILLING_DATABASE_URL": "postgres://…" } }
}
\`\`\`

Whoever writes a connection says where a secret goes, so this file says where it may: a secret with \`hosts\` goes there and
nowhere else, one with \`organizations\` is for these. Without \`hosts\`, a shared secret (and each from the environment) goes
only to hosts of \`COUNTERSIGN_ALLOWED_HOSTS\`; an organization's own goes wherever its connections lead. Anything else holds
the call as \`SECRET_NOT_ALLOWED\`. An address that is a secret as a whole goes where it says itself.

## Hosts that connections may reach

\`COUNTERSIGN_ALLOWED_HOSTS\` is a list with commas between: names, addresses and networks, each with a port or without, each
for one organization (\`acme=…\`) or for all.

\`\`\`text
billing.internal:8443, 10.1.0.0/16, [fd00::/8]:5432, acme=db.internal
\`\`\`

Public addresses need no word. Loopback, private networks, those of the cloud and this machine's own addresses are reached only
if they stand here, by MCP over HTTP (whose connection says \`allow_private_addresses\` besides) and as databases; else the
call is held as \`ADDRESS_NOT_ALLOWED\`. Names that stand here are looked up as the system does; all others are asked of DNS,
so a name that only the file of hosts or a search domain knows has to stand here. \`countersign dev\` allows loopback.

## Three logins for the database

The owner of the tables runs \`node dist/api/migrate.js\` after each update; with \`COUNTERSIGN_API_ROLE\` and
\`COUNTERSIGN_WORKER_ROLE\` it gives those two logins what \`db/grants.sql\` says. API and worker then have a \`DATABASE_URL\`
with their own login each; see [operate](../how-to/operate.md#three-logins-for-the-database).

## Programs for stdio connections

A connection over stdio names an entry of this file; no API can write it.

\`\`\`json
{
  "commands": {
    "notes": {
      "command": "npx",
      "args": ["@modelcontextprotocol/server-filesystem", "/srv/notes"],
      "env": { "TOKEN": "\${secret:NOTES_TOKEN}" },
      "cwd": "/srv",
      "uid": 1234,
      "gid": 1234,
      "organizations": ["acme"]
    }
  }
}
\`\`\`

With \`uid\` and \`gid\` the program runs under that account, by \`setpriv\` of util-linux; the worker needs the right to change
accounts, and to end what runs under another (root, or CAP_SETUID, CAP_SETGID and CAP_KILL, which its programs inherit:
\`--cap-add\` of a container that runs as root, \`AmbientCapabilities=\` of systemd). Without CAP_KILL the command is refused with
[\`COMMAND_NOT_FOUND\`](errors.md#command_not_found), and a program that changes its account by itself (\`sudo\`) gets no write: one
that stands still could not be ended. The program itself has none of these rights. Without \`uid\` and \`gid\` it runs as the
worker and can read what the worker can.

A write goes only to a program that the worker can end, or it could be made after others have looked and found nothing. So
the command has to be the server itself, or a front of its own account in the same group of processes (\`npx\`, \`sh -c\`).
On Linux the worker looks at all that the program has started: a server that has left the group with our pipe (\`setsid\`), or
runs under an account whose programs the worker may not end, gets no write. **What it cannot see is a server behind a
program that hands on what it reads: \`docker run -i\`, \`docker exec -i\`, \`kubectl exec -i\`, \`ssh host server\`, \`sudo\` with a
terminal of its own (\`use_pty\`). Ending that program does not end the server, which may still make a write that counts as lost.**
Use such entries for readings, and for writes to tools with \`resend: safe\`; reach the server over HTTP for all others. A
program that changes into the background by itself, and a system other than Linux, are not looked at either.

A program whose process has ended gets no more calls, also where something that it has started lives on: the next call starts
it anew. What it has said before its end is still read, until half a second has brought nothing more. If something holds its
pipes then, what is left of its group of processes is asked to end, and ended with SIGKILL after up to four seconds, and the
pipes are closed; helpers in a group of their own (\`setsid\`) are left alone. Once the group is gone, nothing is sent to its id,
which may be that of another process by then.`
