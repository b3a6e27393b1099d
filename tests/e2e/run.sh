#!/usr/bin/env bash
# Runs the end-to-end tests as an ordinary user; TAP on standard output.
#   run.sh [--warren PATH] [--backend NAME] [--user NAME] [FILE.bats | bats option]...
# Started by root it becomes `tester`, or `nobody` where there is no such user: warren is for people
# without privilege, and so are its tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
warren=${WARREN:-$here/../../build/release/src/cli/warren}
user=${WARREN_TEST_USER:-}
backend=${WARREN_BACKEND:-auto}
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --warren) warren=$2; shift 2 ;;
    --backend) backend=$2; shift 2 ;;
    --user) user=$2; shift 2 ;;
    *.bats) arguments+=("$(realpath "$1")"); shift ;;
    --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
[ -x "$warren" ] || { echo "run.sh: no warren at $warren; name one with --warren" >&2; exit 2; }
command -v bats >/dev/null || { echo "run.sh: bats is not installed; scripts/install-deps.sh installs it" >&2; exit 2; }
WARREN=$(realpath "$warren")
files=false
for argument in ${arguments[@]+"${arguments[@]}"}; do
  case "$argument" in *.bats) files=true ;; esac
done
$files || arguments+=("$here")

home=$(mktemp -d /tmp/warren-e2e.XXXXXX)
# The tests of --cgroup=delegate need a directory of cgroups v2 with controllers, which root makes
# and gives to the user, with a place below it for bats itself. Empty: this machine has none.
delegated=${WARREN_TEST_CGROUP:-}
cgroups=
switched=()
make_delegated() {
  local controller
  cgroups=$(awk '{ for (i = 6; $i != "-"; i++); if ($(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
  [ -n "$cgroups" ] || return 0
  for controller in cpu cpuset memory pids; do
    grep -qw "$controller" "$cgroups/cgroup.controllers" || continue
    grep -qw "$controller" "$cgroups/cgroup.subtree_control" && continue
    echo "+$controller" 2>/dev/null >"$cgroups/cgroup.subtree_control" && switched+=("$controller")
  done
  delegated=$cgroups/warren-e2e-$$
  mkdir "$delegated" 2>/dev/null || { delegated=; return 0; }
  if ! grep -qw pids "$delegated/cgroup.controllers"; then
    rmdir "$delegated"
    delegated=
    return 0
  fi
  for controller in $(cat "$delegated/cgroup.controllers"); do
    echo "+$controller" 2>/dev/null >"$delegated/cgroup.subtree_control" || true
  done
  mkdir "$delegated/runner"
  chown -R "$user" "$delegated"
}
clean_up() {
  local controller
  if [ -n "$cgroups" ] && [ -n "$delegated" ]; then
    echo 1 >"$delegated/cgroup.kill" || true
    timeout 10 sh -c 'until grep -q "populated 0" "$0"; do sleep 0.1; done' "$delegated/cgroup.events" || true
    find "$delegated" -depth -type d -exec rmdir {} \; || true
  fi
  for controller in ${switched[@]+"${switched[@]}"}; do
    echo "-$controller" 2>/dev/null >"$cgroups/cgroup.subtree_control" || true
  done
  chmod -R u+w "$home" 2>/dev/null
  rm -rf "$home"
}
trap clean_up EXIT
become=()
if [ "$(id -u)" -eq 0 ]; then
  [ -n "$user" ] || { id tester >/dev/null 2>&1 && user=tester || user=nobody; }
  chown "$user" "$home"
  make_delegated
  become=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all)
fi
mkdir -p "$home/tmp" "$home/run"
[ -z "$user" ] || chown "$user" "$home/tmp" "$home/run"
chmod 700 "$home/run"
cd "$home"
# Nothing of the caller's set-up (language managers on PATH, locale, prompts) reaches the guests.
run=(
  "${become[@]}" env -i WARREN="$WARREN" WARREN_BACKEND="$backend" WARREN_WITHOUT="${WARREN_WITHOUT:-}" WARREN_AGENT_AFTER="${WARREN_AGENT_AFTER:-1}" HOME="$home" TMPDIR="$home/tmp"
  XDG_RUNTIME_DIR="$home/run" WARREN_TEST_CGROUP="$delegated" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  # The user may be one who is not to log in, and whose shell refuses to be one.
  SHELL=/bin/sh
  LC_ALL=C.UTF-8 TERM=xterm ${user:+USER=$user LOGNAME=$user}
)
"${run[@]}" "$WARREN" run -- true </dev/null || { echo "run.sh: no container runs here" >&2; exit 2; }
bats() { "${run[@]}" bats --tap ${arguments[@]+"${arguments[@]}"} </dev/null; }
if [ -n "$cgroups" ] && [ -n "$delegated" ]; then
  (echo "$BASHPID" >"$delegated/runner/cgroup.procs" && bats)
else
  bats
fi
