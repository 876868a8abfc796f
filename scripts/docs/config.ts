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
\`DATABASE_URL\`; nothing else has to be set on one machine. The worker also has to be started with \`TZ=UTC\`.`

const SECRETS = `## Secrets of connections

A manifest names a secret, as \`\${secret:NAME}\`, and never holds one. The worker alone resolves it, at the moment of the
call: from the file in \`COUNTERSIGN_SECRETS_FILE\`, else from the variable \`COUNTERSIGN_SECRET_NAME\`. No other variable can
be named by a manifest. A secret that is not there holds the call (\`SECRET_NOT_FOUND\`); it goes on by itself when it is.

\`\`\`json
{
  "shared": { "WEATHER_TOKEN": "…" },
  "organizations": { "acme": { "BILLING_MCP_TOKEN": "…", "BILLING_DATABASE_URL": "postgres://…" } }
}
\`\`\`

## Programs for stdio connections

A connection over stdio names an entry of this file; no API can write it.

\`\`\`json
{
  "commands": {
    "notes": {
      "command": "npx",
      "args": ["@modelcontextprotocol/server-filesystem", "/srv/notes"],
      "env": { "TOKEN": "\${secret:NOTES_TOKEN}" },
      "cwd": "/srv"
    }
  }
}
\`\`\``
