/** Completion scripts. They know commands, options and choices, and ask no server: a shell waits for nobody. Pure. */

export interface CommandModel {
  /** Such as `runs list`; empty for the program itself. */
  path: string
  children: readonly { name: string; summary: string }[]
  options: readonly {
    names: readonly string[]
    summary: string
    takesValue: boolean
    /** Empty if the value may be anything; then the shell offers files. */
    choices: readonly string[]
  }[]
}

interface Case {
  pattern: string
  words: readonly string[]
}

export function bashCompletion(models: readonly CommandModel[]): string {
  return `# Completion of countersign for bash.
_countersign() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" at="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${at:+$at }\${COMP_WORDS[i]}" in
      ${pathPattern(models)}) at="\${at:+$at }\${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$at $previous" in
${lines(choiceCases(models), ({ pattern, words }) => `    ${pattern}) COMPREPLY=($(compgen -W ${quoted(words.join(' '))} -- "$current")); return ;;`)}
    ${valuePattern(models)}) return ;;
  esac
  case "$at" in
${lines(models, (model) => `    ${quoted(model.path)}) COMPREPLY=($(compgen -W ${quoted(wordsOf(model).join(' '))} -- "$current")) ;;`)}
  esac
}
complete -o default -F _countersign countersign
`
}

export function zshCompletion(models: readonly CommandModel[]): string {
  return `#compdef countersign
# Completion of countersign for zsh.
_countersign() {
  local at="" i
  local -a found
  for ((i = 2; i < CURRENT; i++)); do
    case "\${at:+$at }\${words[i]}" in
      ${pathPattern(models)}) at="\${at:+$at }\${words[i]}" ;;
    esac
  done
  case "$at \${words[CURRENT - 1]}" in
${lines(choiceCases(models), ({ pattern, words }) => `    ${pattern}) compadd -- ${words.map(quoted).join(' ')}; return ;;`)}
    ${valuePattern(models)}) _files; return ;;
  esac
  case "$at" in
${lines(models, (model) => `    ${quoted(model.path)}) found=(${described(model).join(' ')}) ;;`)}
  esac
  _describe 'countersign' found || _files
}
if [[ "\${funcstack[1]}" == _countersign ]]; then
  _countersign "$@"
else
  compdef _countersign countersign
fi
`
}

export function fishCompletion(models: readonly CommandModel[]): string {
  const paths = models.filter(({ path }) => path !== '').map(({ path }) => fishQuoted(path))
  return `# Completion of countersign for fish.
function __countersign_at
    set -l at
    for word in (commandline -opc)[2..-1]
        if contains -- (string join ' ' $at $word) ${paths.join(' ')}
            set -a at $word
        end
    end
    test (string join ' ' $at) = "$argv"
end
${lines(models, (model) => fishLines(model).join('\n'))}
`
}

function fishLines({ path, children, options }: CommandModel): string[] {
  const here = `complete -c countersign -n ${fishQuoted(`__countersign_at ${path}`.trim())}`
  return [
    ...children.map(({ name, summary }) => `${here} -f -a ${name} -d ${fishQuoted(summary)}`),
    ...options.map(({ names, summary, takesValue, choices }) => {
      const flags = names.map((name) =>
        name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
      )
      const value = choices.length > 0 ? ` -x -a ${fishQuoted(choices.join(' '))}` : takesValue ? ' -r' : ''
      return `${here} ${flags.join(' ')}${value} -d ${fishQuoted(summary)}`
    }),
  ]
}

function pathPattern(models: readonly CommandModel[]): string {
  return models
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join(' | ')
}

function choiceCases(models: readonly CommandModel[]): Case[] {
  return models.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .map(({ names, choices }) => ({
        pattern: names.map((name) => quoted(`${path} ${name}`)).join(' | '),
        words: choices,
      })),
  )
}

/** Options after which a value comes that only the caller knows. */
function valuePattern(models: readonly CommandModel[]): string {
  const patterns = models.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue, choices }) => takesValue && choices.length === 0)
      .flatMap(({ names }) => names.map((name) => quoted(`${path} ${name}`))),
  )
  return [...new Set(patterns)].join(' | ')
}

function wordsOf({ children, options }: CommandModel): string[] {
  return [...children.map(({ name }) => name), ...options.flatMap(({ names }) => names), '--help']
}

function described({ children, options }: CommandModel): string[] {
  return [
    ...children.map(({ name, summary }) => quoted(`${name}:${summary}`)),
    ...options.flatMap(({ names, summary }) => names.map((name) => quoted(`${name}:${summary}`))),
    quoted('--help:say what it expects'),
  ]
}

function lines<Item>(items: readonly Item[], line: (item: Item) => string): string {
  return items.map(line).join('\n')
}

/** For bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
