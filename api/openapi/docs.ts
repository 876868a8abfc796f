/**
 * The reference of the API as one page, made from its OpenAPI document. No script, nothing from elsewhere: it works
 * without a network, and its policy allows nothing but its own style.
 */
import { createHash } from 'node:crypto'
import type { DescribedOperation, Description, Media } from './document.ts'

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a6cbd }
@media (prefers-color-scheme: dark) { :root { --accent: #6cb8f5 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1rem 6rem; font: 16px/1.55 system-ui, sans-serif }
a { color: var(--accent) }
h1 { margin-top: 0 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); text-transform: capitalize }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; border-radius: 6px; margin: .5rem 0 }
article { border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin: 1.2rem 0 }
article h3 { margin: 0 0 .4rem; font-size: 1rem; overflow-wrap: anywhere }
.method { display: inline-block; min-width: 4.2em; font-weight: 700; color: var(--accent) }
.scope { float: right; font-size: .85rem; opacity: .75 }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-top: 1px solid var(--line) }
summary { cursor: pointer; margin: .5rem 0; font-weight: 600 }
nav ul { columns: 16rem; padding-left: 1.1rem }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

export const DOCS_CSP = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

interface Entry {
  method: string
  path: string
  operation: DescribedOperation
}

export function renderDocs(description: Description): string {
  const { title, description: about } = description.info
  const groups = groupsOf(description)
  const nav = groups.flatMap(([, entries]) =>
    entries.map(
      ({ operation }) => `<li><a href="#${operation.operationId}">${escape(operation.operationId)}</a></li>`,
    ),
  )
  const sections = groups.map(
    ([tag, entries]) => `<h2>${escape(tag)}</h2>\n${entries.map(renderOperation).join('\n')}`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} API</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(title)} API</h1>
<p>${inline(about)} For programs: <a href="/openapi.json">/openapi.json</a>.</p>
<p>Send <code>Authorization: Bearer &lt;key&gt;</code> with each request; the scope that the key needs stands with
each operation, and so does what an <code>Idempotency-Key</code> does, where one is looked at.</p>
<nav><ul>${nav.join('')}</ul></nav>
${sections.join('\n')}
</body>
</html>
`
}

function groupsOf({ paths }: Description): [string, Entry[]][] {
  const groups = new Map<string, Entry[]>()
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0] ?? ''
      groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation }])
    }
  }
  return [...groups]
}

function renderOperation({ method, path, operation }: Entry): string {
  const scope = operation.security.flatMap((each) => Object.values(each).flat()).join(', ')
  const request = operation.requestBody?.content['application/json']
  return `<article id="${operation.operationId}">
<span class="scope">scope <code>${escape(scope)}</code></span>
<h3><span class="method">${method.toUpperCase()}</span> <code>${escape(path)}</code></h3>
<p>${inline(operation.summary)}</p>
${renderParameters(operation.parameters ?? [])}
${request ? renderMedia('Body', request) : ''}
${Object.entries(operation.responses).map(renderResponse).join('\n')}
</article>`
}

function renderParameters(parameters: NonNullable<DescribedOperation['parameters']>): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(
    ({ name, in: place, required, schema, description, example }) =>
      `<tr><td><code>${escape(name)}</code></td><td>${place}${required ? ', required' : ''}</td>
<td>${escape(typeText(schema))}${description ? ` ${inline(description)}` : ''}</td>
<td>${example === undefined ? '' : `<code>${escape(valueText(example))}</code>`}</td></tr>`,
  )
  return `<table><tr><th>Parameter</th><th>In</th><th>Form</th><th>Example</th></tr>${rows.join('')}</table>`
}

function renderResponse([status, { description, content }]: [
  string,
  DescribedOperation['responses'][string],
]): string {
  const json = content?.['application/json']
  if (json) return renderMedia(`${status} ${description}`, json)
  const examples = Object.values(content?.['application/problem+json']?.examples ?? {})
  const shown = examples.map(({ value }) => `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`).join('')
  return `<details><summary>${status}</summary><p>${inline(description)}</p>${shown}</details>`
}

function renderMedia(title: string, { schema, example }: Media): string {
  const shown = example === undefined ? '' : `<pre>${escape(JSON.stringify(example, null, 2))}</pre>`
  const form = `<details><summary>Schema</summary><pre>${escape(JSON.stringify(schema ?? {}, null, 2))}</pre></details>`
  return `<details><summary>${inline(title)}</summary>${shown}${form}</details>`
}

/** Short: the type or the words that are possible, with bounds and the default. */
function typeText(schema: Record<string, unknown> = {}): string {
  const words = schema['enum']
  const type = Array.isArray(words) ? words.map(String).join(' | ') : String(schema['type'] ?? 'any')
  const { minimum, maximum, default: standard } = schema
  const bounds =
    minimum === undefined && maximum === undefined ? '' : `, ${String(minimum)} to ${String(maximum)}`
  return `${type}${bounds}${standard === undefined ? '' : `, ${valueText(standard)} unless given`}`
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Escaped, with \`code\` marked. */
function inline(text: string): string {
  return escape(text).replace(/`([^`]+)`/g, '<code>$1</code>')
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
