# fish completion for warren

function __warren_containers
    warren ps --json 2>/dev/null | string replace -rf '^    "name": "(.*)",$' '$1'
end

function __warren_groups
    set -l names (__warren_containers)
    set -l name
    for word in (commandline -opc)[3..]
        contains -- $word $names; and set name $word; and break
    end
    warren group tree $name --json 2>/dev/null | string replace -rf '^        "path": "(.*)",?$' '$1'
end

function __warren_group_verb
    set -l words (commandline -opc)
    test (count $words) -ge 3; and test $words[2] = group; and contains -- $words[3] $argv
end

function __warren_needs_verb
    set -l words (commandline -opc)
    test (count $words) -eq 2; and test $words[2] = group
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
complete -c warren -n __warren_needs_command -a top -d 'Watch groups, namespaces and tasks'
complete -c warren -n __warren_needs_command -a exec -d 'Run a command in an existing namespace'
complete -c warren -n __warren_needs_command -a kill -d 'Send a signal to a task or to a namespace'
complete -c warren -n __warren_needs_command -a group -d 'Make, show and change groups of tasks'
complete -c warren -n __warren_needs_command -a freeze -d 'Make all tasks of groups stand still'
complete -c warren -n __warren_needs_command -a thaw -d 'Let frozen groups go on'
complete -c warren -n __warren_needs_command -a move -d 'Move running processes to another group or namespace'
complete -c warren -n __warren_needs_command -a mount -d 'Show groups as directories and files'
complete -c warren -n __warren_needs_command -a umount -d 'Undo a mount'
complete -c warren -n __warren_needs_command -a doctor -d 'Show what this machine allows'

complete -c warren -n '__warren_using run' -l name -x -d 'Name of the container'
complete -c warren -n '__warren_using run' -l nest -x -d 'Number of namespaces, each inside the last'
complete -c warren -n '__warren_using run' -l init -d 'Put a small init at process 1'
complete -c warren -n '__warren_using run' -s d -l detach -d 'Run in the background and print the name'
complete -c warren -n '__warren_using run' -l backend -x -a 'auto ptrace inject untraced' -d 'How guests are served'
complete -c warren -n '__warren_using run' -l ask-paths -d 'The supervisor walks every path'
complete -c warren -n '__warren_using run' -l without -x -a 'sync-wakeup landlock pidfd-epoll pidfd-self' -d 'Features of the host to do without'
complete -c warren -n '__warren_using run' -l cgroup -x -a 'warren delegate' -d 'Whose controllers the groups have'
complete -c warren -n '__warren_using run' -l group -x -d 'Group to start in'
complete -c warren -n '__warren_using run' -l set -x -d 'Write a value to a file of that group first'
complete -c warren -n '__warren_using run' -l stats -d 'At the end, say what the interception cost'
complete -c warren -n '__warren_using run' -x -a '(__fish_complete_subcommand --fcs-skip=2)'

complete -c warren -n '__warren_using ps' -l tree -d 'Draw parents and children as a tree'
complete -c warren -n '__warren_using ps ns top doctor' -l json -d 'Print JSON'
complete -c warren -n '__warren_using ps ns top exec kill' -a '(__warren_containers)' -d Container
complete -c warren -n '__warren_using top' -l view -x -a 'groups namespaces tasks' -d 'First list'
complete -c warren -n '__warren_using top' -l sort -x -a 'cpu memory time forks tasks own limit name number namespace level init group state container' -d 'Column to sort by'
complete -c warren -n '__warren_using top' -l tree -d 'Show a tree'
complete -c warren -n '__warren_using top' -l flat -d 'Show no tree'
complete -c warren -n '__warren_using top' -l filter -x -d 'Show only rows that contain a text'
complete -c warren -n '__warren_using top' -s d -l delay -x -d 'Seconds between measurements'
complete -c warren -n '__warren_using top' -s n -l iterations -x -d 'End after so many measurements'
complete -c warren -n '__warren_using top' -s b -l batch -d 'Print lists'
complete -c warren -n '__warren_using top' -l once -d 'Print one list'
complete -c warren -n '__warren_using exec' -s t -l tty -d 'Give the command a terminal of its own'
complete -c warren -n '__warren_using kill' -s s -l signal -x -a '(string match -rv "^\d" (builtin kill -l 2>/dev/null | string split " "))' -d Signal

complete -c warren -n __warren_needs_verb -a create -d 'Make groups'
complete -c warren -n __warren_needs_verb -a rm -d 'Remove groups'
complete -c warren -n __warren_needs_verb -a ls -d 'List the groups in a group, and its files'
complete -c warren -n __warren_needs_verb -a tree -d 'Show the tree of groups, with what they use'
complete -c warren -n __warren_needs_verb -a set -d 'Write values to files of a group'
complete -c warren -n __warren_needs_verb -a get -d 'Print files of a group'
complete -c warren -n __warren_needs_verb -a procs -d 'List the processes of a group'
complete -c warren -n __warren_needs_verb -a move -d 'Move processes to a group'
complete -c warren -n __warren_needs_verb -a kill -d 'End the processes of groups'
complete -c warren -n '__warren_group_verb create rm ls tree set get procs move kill' -a '(__warren_containers; __warren_groups)'
complete -c warren -n '__warren_group_verb create rm ls tree set get procs move kill' -s H -l hierarchy -x -a 'cpu cpuacct cpuset devices freezer memory pid pids prio rlimit uts' -d 'Which hierarchy'
complete -c warren -n '__warren_group_verb create' -s p -l parents -d 'Make the groups above too'
complete -c warren -n '__warren_group_verb create' -l set -x -d 'Write a value to a file'
complete -c warren -n '__warren_group_verb create' -s m -l mode -x -d 'Permissions, in octal'
complete -c warren -n '__warren_group_verb rm procs' -s r -l recursive -d 'The groups below too'
complete -c warren -n '__warren_group_verb ls' -s l -l long -d 'With mode, owner and group'
complete -c warren -n '__warren_group_verb ls' -l hierarchies -d 'List the hierarchies instead'
complete -c warren -n '__warren_group_verb ls tree get procs' -l json -d 'Print JSON'
complete -c warren -n '__warren_group_verb procs' -l threads -d 'List threads'
complete -c warren -n '__warren_group_verb procs' -s q -l quiet -d 'Print numbers only'
complete -c warren -n '__warren_group_verb move' -l thread -d 'Each PID is a thread'
complete -c warren -n '__warren_group_verb kill' -s s -l signal -x -d Signal
complete -c warren -n '__warren_group_verb kill' -l no-wait -d 'Do not wait for their end'
complete -c warren -n '__warren_using freeze' -l no-wait -d 'Do not wait until all stand still'
complete -c warren -n '__warren_using freeze thaw' -a '(__warren_containers; __warren_groups)'
complete -c warren -n '__warren_using freeze thaw move' -s H -l hierarchy -x -a 'cpu cpuacct cpuset devices freezer memory pid pids prio rlimit uts' -d 'Which hierarchy'
complete -c warren -n '__warren_using move' -a '(__warren_containers)' -d Container
complete -c warren -n '__warren_using move' -l to -x -a '(__warren_groups)' -d 'To this group'
complete -c warren -n '__warren_using move' -l ns -x -d 'To this pid namespace'
complete -c warren -n '__warren_using move' -l like -x -d 'To the group of this process'
complete -c warren -n '__warren_using move' -l children -d 'With --ns: all below it too'
complete -c warren -n '__warren_using move' -l subsystem -x -a 'cpu cpuacct cpuset devices freezer memory pid pids prio rlimit uts' -d 'Only for this subsystem'
complete -c warren -n '__warren_using mount umount' -a '(__warren_containers)' -d Container
complete -c warren -n '__warren_using mount umount' -a '(__fish_complete_directories)'
complete -c warren -n '__warren_using mount' -s o -l options -x -a 'cpu cpuacct cpuset devices freezer memory pid pids prio rlimit uts all none name= release_agent=' -d 'What to mount'
complete -c warren -n '__warren_using run ps ns top exec kill group freeze thaw move mount umount doctor' -l help -d 'Print help and exit'
