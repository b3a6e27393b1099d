# bash completion for warren

_warren_containers() {
  warren ps --json 2>/dev/null | sed -n 's/^    "name": "\(.*\)",$/\1/p'
}

# Completes the command line of a guest, from word $1 on, as that command's own completion would.
_warren_guest() {
  local start=$1
  if declare -F _command_offset >/dev/null; then
    _command_offset "$start"
  elif [ "$COMP_CWORD" -eq "$start" ]; then
    COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
  else
    COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
  fi
}

_warren() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} options i positionals=0
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'run ps ns exec kill doctor --help --version' -- "$word"))
    return
  fi
  case $command in
    run) options='--name --nest --init --detach --backend --stats --help' ;;
    ps) options='--tree --json --help' ;;
    ns) options='--json --help' ;;
    exec) options='--tty --help' ;;
    kill) options='--signal --help' ;;
    doctor) options='--json --help' ;;
    *) return ;;
  esac

  # Where the guest's command line begins.
  if [ "$command" = run ] || [ "$command" = exec ]; then
    local before=0
    [ "$command" = exec ] && before=1
    for ((i = 2; i <= COMP_CWORD; i++)); do
      case ${COMP_WORDS[i]} in
        --)
          [ "$i" -lt "$COMP_CWORD" ] && { _warren_guest $((i + 1)); return; }
          ;;
        --name | --nest | --backend)
          ((i++))
          [ "${COMP_WORDS[i]}" = = ] && ((i++))  # so is an equals sign
          ;;
        -*) ;;
        :) [ "$command" = exec ] && ((i++)) ;;  # a colon is a word of its own in bash
        *)
          if [ "$positionals" -ge "$before" ]; then
            _warren_guest "$i"
            return
          fi
          ((positionals++))
          ;;
      esac
    done
  fi

  # --backend=x is three words, or two as long as nothing follows.
  if [ "$word" = = ]; then
    word=
  elif [ "$previous" = = ]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $previous in
    --name | --nest) return ;;
    --backend)
      COMPREPLY=($(compgen -W 'auto ptrace inject' -- "$word"))
      return
      ;;
    -s | --signal)
      COMPREPLY=($(compgen -W "$(kill -l | tr -s '\t ' '\n' | sed -n 's/^SIG//p')" -- "$word"))
      return
      ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *)
      case $command in
        ps | ns | exec | kill) COMPREPLY=($(compgen -W "$(_warren_containers)" -- "$word")) ;;
      esac
      ;;
  esac
}

complete -F _warren warren
