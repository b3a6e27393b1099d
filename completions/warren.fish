# fish completion for warren

function __warren_containers
    warren ps --json 2>/dev/null | string replace -rf '^    "name": "(.*)",$' '$1'
end

function __warren_needs_command
    set -l words (commandline -opc)
    test (count $words) -eq 1
end

function __warren_using
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

complete -c warren -f
complete -c warren -n __warren_needs_command -l help -d 'Print help and exit'
complete -c warren -n __warren_needs_command -l version -d 'Print the version and exit'
complete -c warren -n __warren_needs_command -a run -d 'Run a command as process 1 of a new namespace'
complete -c warren -n __warren_needs_command -a ps -d 'Show the tasks of containers'
complete -c warren -n __warren_needs_command -a ns -d 'Show the tree of namespaces'
complete -c warren -n __warren_needs_command -a exec -d 'Run a command in an existing namespace'
complete -c warren -n __warren_needs_command -a kill -d 'Send a signal to a task or to a namespace'
complete -c warren -n __warren_needs_command -a doctor -d 'Show what this machine allows'

complete -c warren -n '__warren_using run' -l name -x -d 'Name of the container'
complete -c warren -n '__warren_using run' -l nest -x -d 'Number of namespaces, each inside the last'
complete -c warren -n '__warren_using run' -l init -d 'Put a small init at process 1'
complete -c warren -n '__warren_using run' -s d -l detach -d 'Run in the background and print the name'
complete -c warren -n '__warren_using run' -l backend -x -a 'auto ptrace inject' -d 'How guests are served'
complete -c warren -n '__warren_using run' -l stats -d 'At the end, say what the interception cost'
complete -c warren -n '__warren_using run' -x -a '(__fish_complete_subcommand --fcs-skip=2)'

complete -c warren -n '__warren_using ps' -l tree -d 'Draw parents and children as a tree'
complete -c warren -n '__warren_using ps ns doctor' -l json -d 'Print JSON'
complete -c warren -n '__warren_using ps ns exec kill' -a '(__warren_containers)' -d Container
complete -c warren -n '__warren_using exec' -s t -l tty -d 'Give the command a terminal of its own'
complete -c warren -n '__warren_using kill' -s s -l signal -x -a '(string match -rv "^\d" (builtin kill -l 2>/dev/null | string split " "))' -d Signal
complete -c warren -n '__warren_using run ps ns exec kill doctor' -l help -d 'Print help and exit'
