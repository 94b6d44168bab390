/** `completion`: prints a script for the shell, which runs entente at each press of Tab; and prints those answers. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { candidates, type Names } from '../../input/candidates.ts'
import type { Io } from '../../io.ts'
import { document, show, stacked } from '../../print/screen.ts'

export type Shell = 'bash' | 'zsh' | 'fish'

export async function run(shell: Shell, io: Io): Promise<number> {
  io.print(document(SCRIPTS[shell]))
  return 0
}

/**
 * One candidate per line, with a tab before its description. The last line is `:0` if the shell may add file names, else
 * `:4`. That is the protocol of `kubectl_complete-NAME` (kubernetes staging/src/k8s.io/kubectl/pkg/cmd/plugin).
 */
export async function complete(root: Command, typed: readonly string[], io: Io): Promise<number> {
  const found = await candidates(root, typed, namesBeside(typed, io))
  const lines = found.words.map(({ word, about }) => (about === '' ? word : show`${word}\t${about}`))
  io.print(stacked([...lines, found.files ? ':0' : ':4']))
  return 0
}

/** An unreadable file yields no candidates: an error would disturb the user's command line. */
function namesBeside(typed: readonly string[], io: Io): Names {
  const given = (names: readonly string[]): string | undefined => typed[typed.findIndex((word) => names.includes(word)) + 1 || -1]
  const yaml = async (path: string): Promise<unknown> => (await import('yaml')).parse(Buffer.from(await io.readFile(path)).toString())
  const namesIn = async (
    path: string,
    list: (document: Listed) => readonly { readonly name?: unknown }[] | undefined,
  ): Promise<string[]> => {
    try {
      return (list((await yaml(path)) as Listed) ?? []).flatMap(({ name }) => (typeof name === 'string' ? name : []))
    } catch {
      return []
    }
  }
  return {
    members: () => namesIn(given(['-f', '--file']) ?? 'federation.yaml', (document) => document.spec?.members),
    contexts: async () => {
      const named = given(['--kubeconfig'])
      const paths = named === undefined ? (io.env.KUBECONFIG ?? join(io.env.HOME ?? '', '.kube', 'config')).split(':') : [named]
      return (await Promise.all(paths.filter((path) => path !== '').map((path) => namesIn(path, ({ contexts }) => contexts)))).flat()
    },
  }
}

interface Listed {
  readonly spec?: { readonly members?: readonly { readonly name?: unknown }[] }
  readonly contexts?: readonly { readonly name?: unknown }[]
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# entente completion for bash. In ~/.bashrc:  source <(entente completion bash)
_entente() {
  local answer line files=no current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  answer=$(entente __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  while IFS= read -r line; do
    case $line in
      :0) files=yes ;;
      :4) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done <<< "$answer"
  if [ $files = yes ]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
  fi
}
complete -F _entente entente`,
  zsh: `#compdef entente
# entente completion for zsh. In ~/.zshrc, after compinit:  source <(entente completion zsh)
_entente() {
  local answer line word files=no
  local -a found
  answer=$(entente __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null) || return
  for line in "\${(@f)answer}"; do
    case $line in
      :0) files=yes ;;
      :4) ;;
      *)
        word=\${line%%$'\\t'*}
        found+=("\${word//:/\\\\:}\${\${line#$word}/$'\\t'/:}")
        ;;
    esac
  done
  if (( \${#found} )); then _describe entente found; fi
  if [[ $files = yes ]]; then _files; fi
}
compdef _entente entente`,
  fish: `# entente completion for fish:  entente completion fish > ~/.config/fish/completions/entente.fish
function __entente_candidates
  set -l words (commandline -opc) (commandline -ct)
  for line in (entente __complete -- $words[2..-1] 2>/dev/null)
    switch $line
      case ':0'
        __fish_complete_path (commandline -ct)
      case ':4'
      case '*'
        echo $line
    end
  end
end
complete -c entente -f -a '(__entente_candidates)'`,
}
