/** The completion scripts of the shells. Each runs `entente __complete` at a press of Tab. */

export type Shell = 'bash' | 'zsh' | 'fish'

export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = {
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
