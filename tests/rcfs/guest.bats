#!/usr/bin/env bats
# Guests that mount groups themselves, and the cgroup-tools in a guest.
load helper

teardown() {
  "$WARREN" kill "$NAME" 2>/dev/null || true
  if is_mounted "$DIR"; then eventually 10 not_mounted "$DIR" || umount -l "$DIR"; fi
  eventually 10 no_survivors || true
  [ -z "$(survivors)" ]
}

@test "mount -t rcfs" {
  in_guest '
    mount -t rcfs -o cpuset,pids none "$1"
    mkdir "$1/a"
    echo $$ >"$1/a/tasks"
    mapfile <"$1/a/tasks" # no program that would be in the group, too
    printf "%s" "${MAPFILE[@]}"
    echo 0 >"$1/tasks"
    cat "$1/a/tasks"
    rmdir "$1/a"
    umount "$1"
    ls -A "$1"
    echo done'
  expect_output <<'EOF'
1
done
EOF
  not_mounted "$DIR"
}

@test "mount -t cgroup, and cgroup2" {
  in_guest '
    mkdir "$1/v1" "$1/v2"
    mount -t cgroup -o pids,freezer none "$1/v1"
    mount -t cgroup2 none "$1/v2"
    mkdir "$1/v1/a" "$1/v2/b"
    echo 10 >"$1/v1/a/pids.max"
    cat "$1/v1/a/pids.max" "$1/v1/a/freezer.state"
    cat "$1/v2/b/cgroup.type"
    [ ! -e "$1/v2/b/pids.max" ]
    ! mount -t cgroup -o pids none "$1/v2" 2>/dev/null
    rmdir "$1/v1/a" "$1/v2/b"'
  expect_output <<'EOF'
10
THAWED
domain
EOF
}

@test "a limit that is set there holds" {
  in_guest '
    mount -t cgroup -o pids none "$1"
    mkdir "$1/a"
    echo 2 >"$1/a/pids.max"
    python3 - "$1/a" <<EOF
import errno, os, signal, sys
with open(f"{sys.argv[1]}/cgroup.procs", "w") as f:
    f.write("0")
child = os.fork()
if child == 0:
    signal.pause()
try:
    os.fork()
    print("not refused")
except OSError as error:
    print(errno.errorcode[error.errno])
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
EOF
    grep "^max" "$1/a/pids.events"
    rmdir "$1/a"'
  expect_output <<'EOF'
EAGAIN
max 1
EOF
}

@test "mount errors" {
  in_guest '
    ! mount -t rcfs -o nosuch none "$1" || exit 1
    ! mount -t rcfs -o none none "$1" || exit 1
    ! mount -t rcfs none "$1/nosuch" || exit 1
    mount -t rcfs none "$1"
    cd "$1"
    ! umount "$1" || exit 1
    cd /
    umount "$1"'
}

@test "the cgroup tools" {
  need cgcreate cgexec cgset cgget cgclassify lscgroup lssubsys cgdelete
  in_guest '
    # lssubsys gives up at the first controller that is mounted nowhere.
    mkdir "$1/pids" "$1/set" "$1/rest"
    mount -t cgroup -o pids none "$1/pids"
    mount -t cgroup -o cpuset,freezer none "$1/set"
    mount -t cgroup -o all none "$1/rest"
    lssubsys -m pids cpuset | sort
    cgcreate -g pids:/web -g cpuset,freezer:/web
    cgset -r pids.max=30 web
    cgget -n -v -r pids.max web
    cgexec -g pids:web sh -c "cat \$1/pids/web/tasks | grep -cx \$\$" - "$1"
    sleep 100 &
    cgclassify -g pids,freezer:web $!
    grep -cx $! "$1/pids/web/tasks" "$1/set/web/tasks" | sed "s,.*/\(pids\|set\)/,\1 ,"
    lscgroup -g pids:/ | sort
    kill $!
    wait
    cgdelete -g pids:/web -g cpuset,freezer:/web
    ls -d "$1/pids/web" 2>/dev/null || echo deleted'
  expect_output <<EOF
cpuset,freezer $DIR/set
pids $DIR/pids
30
1
pids web/tasks:1
set web/tasks:1
pids:/
pids:/web
deleted
EOF
}

@test "what was set for a guest it does not change, and names no release agent" {
  start_container
  "$WARREN" mount -o pids "$NAME" "$DIR"
  mkdir "$DIR/strict" "$DIR/aside"
  init=$("$WARREN" ps "$NAME" --json | jq '.[0].tasks[0].nrs[0]')
  put "$init" "$DIR/strict/cgroup.procs"
  put 20 "$DIR/strict/pids.max"
  must "$WARREN" exec "$NAME" -- bash -c '
    cd "$1"
    refused() { ! "$@" 2>/tmp/refused.$$ && grep -q "Operation not permitted" /tmp/refused.$$; }
    put() { printf %s "$1" >"$2"; }
    refused mkdir other &&
    refused rmdir aside &&
    refused mv aside away &&
    refused chown 65534 strict &&
    refused mkdir aside/mine &&
    refused put 1000 strict/pids.max &&
    refused put /bin/true release_agent &&
    refused put 1 aside/cgroup.procs && refused put 1 cgroup.procs &&
    mkdir strict/mine && put 5 strict/mine/pids.max && put $$ strict/mine/cgroup.procs &&
    chmod 700 strict/mine && mv strict/mine strict/own && put $$ strict/cgroup.procs &&
    rmdir strict/own
    status=$?
    rm -f /tmp/refused.$$
    exit $status' bash "$DIR"
  [ "$(cat "$DIR/strict/pids.max")" = 20 ]
  [ "$(cat "$DIR/release_agent")" = "" ]
  must "$WARREN" umount "$NAME" "$DIR"
  must "$WARREN" kill "$NAME"
  in_guest '
    ! mount -t cgroup -o pids,release_agent=/bin/true none "$1" 2>/dev/null || exit 1
    mount -t cgroup -o pids none "$1"
    ! { echo /bin/true >"$1/release_agent"; } 2>/dev/null || exit 1
    umount "$1"'
}
