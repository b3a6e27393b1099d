#!/usr/bin/env bash
# Shows the main job on real programs, every command as typed: scripts/demo.sh [path of warren]
# Runs as an ordinary user, whoever starts it, and ends with 0 only if everything that it shows was so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "${WARREN_DEMO_STAGE:-}" != inside ]; then
  warren=${1:-$here/../build/release/src/cli/warren}
  [ -x "$warren" ] || { echo "demo: $warren is not built; 'make demo' builds it first" >&2; exit 1; }
  stage=$(mktemp -d "${TMPDIR:-/tmp}/warren-demo-XXXXXX")
  trap 'rm -rf "$stage"' EXIT
  mkdir "$stage/bin"
  cp "$warren" "$stage/bin/warren"
  cp "${BASH_SOURCE[0]}" "$stage/demo.sh"
  colour=0
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then colour=1; fi
  "$here/as-user.sh" "$stage" env WARREN_DEMO_STAGE=inside WARREN_DEMO_COLOUR=$colour \
    PATH="$stage/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" bash "$stage/demo.sh"
  exit
fi

bold='' dim='' plain=''
if [ "$WARREN_DEMO_COLOUR" = 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

say() { printf '\n%s# %s%s\n' "$dim" "$*" "$plain"; }
# Prints a command as it would be typed, then runs it in this shell.
show() {
  printf '%s$ %s%s\n' "$bold" "$1" "$plain"
  eval "$1"
}
fail() {
  echo "demo: $*" >&2
  exit 1
}
# How many processes of this machine carry $1 in their command line.
count() { (pgrep -fc -- "$1" || true); }
# Waits for the other end of the fifo $1 to say something.
wait_for() { read -r _ < "$1"; }

# What a demo that fails half-way has started goes with it.
trap 'warren kill rabbits >/dev/null 2>&1 || true' EXIT

say "Who runs this, and what this machine allows"
show 'id'
show 'warren doctor' || fail "this machine lacks what warren needs (see above)"

say "An unmodified bash is pid 1 of a namespace of its own and sees nothing else"
show "warren run -- bash -c 'echo \"my pid is \$\$\"; ps -ef | cat'"
inside=$(warren run -- bash -c 'echo $$')
[ "$inside" = 1 ] || fail "bash was pid $inside"

say "Namespaces in namespaces: warren run in warren run, three deep, and ps from each level"
mkfifo ready-1 ready-2 ready-3
cat > level.sh << 'LEVEL'
# level.sh N: starts level N+1 in a namespace within this one, up to 3, and shows what N sees.
level=$1
if [ "$level" -lt 3 ]; then
  warren run -- bash level.sh $((level + 1)) &
  read -r _ < "ready-$((level + 1))"
fi
echo "--- level $level: bash has pid $$ here"
ps -o pid,ppid,args -e
echo yes > "ready-$level"
wait
exec sleep 1000
LEVEL
show 'cat level.sh'
show 'warren run --name rabbits -- bash level.sh 1 &'
wait_for ready-1
say "The same from outside: every task with its number at each level, the host's first"
show 'warren ps rabbits --tree'
show 'warren ns rabbits'
say "A new process in the running namespace"
show "warren exec rabbits -- sh -c 'echo \"I am \$\$ here\"; ps -o pid,ppid,args -e'"
say "The end of init is the end of all, at every depth"
before=$(count 'level\.sh [123]')
show 'warren kill rabbits'
wait 2>/dev/null || true
after=$(count 'level\.sh [123]')
echo "processes of it on this machine: before $before, after $after"
if [ "$before" -lt 3 ] || [ "$after" != 0 ]; then fail "something was left"; fi

say "200 background processes, and SIGKILL to warren itself: nothing is left either"
cat > crowd.sh << 'CROWD'
for ((i = 0; i < 200; i++)); do sleep 4242.42 & done
echo started >&9
wait
CROWD
# Every guest inherits the writing end of this fifo: once the reader meets its end, all are dead.
mkfifo alive
printf '%s$ warren run -- bash crowd.sh &%s\n' "$bold" "$plain"
warren run -- bash crowd.sh 9> alive &
supervisor=$!
exec 8< alive
read -r _ <&8
before=$(count '^(bash crowd\.sh|sleep 4242\.42)$')
show "kill -9 $supervisor"
cat <&8
exec 8<&-
wait "$supervisor" 2>/dev/null || true
after=$(count '^(bash crowd\.sh|sleep 4242\.42)$')
echo "processes of it on this machine: before $before, after $after"
if [ "$before" != 201 ] || [ "$after" != 0 ]; then fail "something was left"; fi

say "Python: processes and threads"
cat > work.py << 'PYTHON'
import multiprocessing, os, threading

def square(n):
    return n * n

if __name__ == "__main__":
    with multiprocessing.Pool(3) as pool:
        workers = sorted(child.pid for child in multiprocessing.active_children())
        print("pid", os.getpid(), "has workers", workers, "->", pool.map(square, range(6)))
    threads = [threading.Thread(target=lambda: print("thread", threading.get_native_id()))
               for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
PYTHON
show 'warren run -- /usr/bin/python3 work.py'

say "git: a repository, a commit and a clone"
cat > git.sh << 'GIT'
set -e
git init -q -b main burrow
cd burrow
echo hello > file
git add file
git -c user.name=rabbit -c user.email=rabbit@example.org commit -q -m "first"
cd ..
git clone -q burrow copy
git -C copy log --oneline --format='%an: %s'
GIT
show 'warren run -- sh git.sh'

say "redis: a daemon, whose parent is pid 1, and which is gone with its namespace"
cat > redis.sh << 'REDIS'
redis-server --port 0 --unixsocket "$PWD/redis.sock" --save "" --daemonize yes --logfile /dev/null
until redis-cli -s redis.sock ping 2>/dev/null | grep -q PONG; do :; done
redis-cli -s redis.sock incr visitors
ps -o pid,ppid,args -e
REDIS
show 'warren run -- bash redis.sh'
[ "$(count "redis-server.*$PWD/redis.sock")" = 0 ] || fail "redis-server was left"

say "That is it. A shell of your own: warren run -- bash"
