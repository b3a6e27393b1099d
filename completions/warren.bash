# bash completion for warren

_warren_containers() {
  warren ps --json 2>/dev/null | sed -n 's/^    "name": "\(.*\)",$/\1/p'
}

# Groups of the container named by the words before the cursor, or of the only one.
_warren_groups() {
  local word name=
  for word in "${COMP_WORDS[@]:2}"; do
    if _warren_containers | grep -qxF -- "$word"; then
      name=$word
      break
    fi
  done
  warren group tree ${name:+"$name"} --json 2>/dev/null | sed -n 's/^        "path": "\(.*\)",\{0,1\}$/\1/p'
}

_warren_subsystems='cpu cpuacct cpuset devices freezer memory pid pids prio rlimit uts'

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
    COMPREPLY=($(compgen -W 'run ps ns top exec kill group freeze thaw move mount umount doctor --help --version' -- "$word"))
    return
  fi
  case $command in
    run) options='--name --nest --init --detach --backend --ask-paths --without --cgroup --group --set --stats --help' ;;
    ps) options='--tree --json --help' ;;
    ns) options='--json --help' ;;
    top) options='--view --sort --tree --flat --filter --delay --iterations --batch --once --json --help' ;;
    exec) options='--tty --help' ;;
    kill) options='--signal --help' ;;
    group)
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W 'create rm ls tree set get procs move kill --help' -- "$word"))
        return
      fi
      case ${COMP_WORDS[2]} in
        create) options='--parents --set --mode --hierarchy --help' ;;
        rm) options='--recursive --hierarchy --help' ;;
        ls) options='--long --hierarchies --json --hierarchy --help' ;;
        tree) options='--json --hierarchy --help' ;;
        set) options='--hierarchy --help' ;;
        get) options='--json --hierarchy --help' ;;
        procs) options='--recursive --threads --quiet --json --hierarchy --help' ;;
        move) options='--thread --hierarchy --help' ;;
        kill) options='--signal --no-wait --hierarchy --help' ;;
      esac
      ;;
    freeze) options='--no-wait --hierarchy --help' ;;
    thaw) options='--hierarchy --help' ;;
    move) options='--to --ns --like --children --subsystem --hierarchy --help' ;;
    mount) options='--options --help' ;;
    umount) options='--help' ;;
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
        --name | --nest | --backend | --without | --cgroup | --group | --set)
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
    --name | --nest | --set | --mode | -m | --like | --ns) return ;;
    -H | --hierarchy | --subsystem)
      COMPREPLY=($(compgen -W "$_warren_subsystems" -- "$word"))
      return
      ;;
    -o | --options)
      COMPREPLY=($(compgen -W "$_warren_subsystems all none, name= release_agent=" -- "$word"))
      return
      ;;
    --to)
      COMPREPLY=($(compgen -W "$(_warren_groups)" -- "$word"))
      return
      ;;
    --backend)
      COMPREPLY=($(compgen -W 'auto ptrace inject untraced' -- "$word"))
      return
      ;;
    --without)
      COMPREPLY=($(compgen -W 'sync-wakeup landlock pidfd-epoll pidfd-self' -- "$word"))
      return
      ;;
    --cgroup)
      COMPREPLY=($(compgen -W 'warren delegate' -- "$word"))
      return
      ;;
    --view)
      COMPREPLY=($(compgen -W 'groups namespaces tasks' -- "$word"))
      return
      ;;
    --sort)
      COMPREPLY=($(compgen -W 'cpu memory time forks tasks own limit name number namespace level init group state container' -- "$word"))
      return
      ;;
    --filter | --delay | --iterations | -d | -n) [ "$command" = top ] && return ;;
    -s | --signal)
      COMPREPLY=($(compgen -W "$(kill -l | tr -s '\t ' '\n' | sed -n 's/^SIG//p')" -- "$word"))
      return
      ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *)
      case $command in
        group | freeze | thaw)
          case $word in
            /*) COMPREPLY=($(compgen -W "$(_warren_groups)" -- "$word")) ;;
            *) COMPREPLY=($(compgen -W "$(_warren_containers) $(_warren_groups)" -- "$word")) ;;
          esac
          ;;
        mount | umount)
          # With a directory still to come, the first word may be a container.
          COMPREPLY=($(compgen -W "$(_warren_containers)" -- "$word") $(compgen -d -- "$word"))
          ;;
        ps | ns | top | exec | kill | move) COMPREPLY=($(compgen -W "$(_warren_containers)" -- "$word")) ;;
      esac
      ;;
  esac
}

complete -F _warren warren
