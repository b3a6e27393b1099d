#!/usr/bin/env bats
# The groups of a container as directories and files of the host, by warren mount.
load helper

teardown() {
  "$WARREN" kill "$NAME" 2>/dev/null || true
  if is_mounted "$DIR"; then eventually 10 not_mounted "$DIR" || umount -l "$DIR"; fi
  eventually 10 no_survivors || true
  [ -z "$(survivors)" ]
}

@test "mount, make, write, read, rename, remove, umount" {
  mounted_container
  is_mounted "$DIR"
  mkdir "$DIR/a"
  echo 20 >"$DIR/a/pids.max"
  run -0 cat "$DIR/a/pids.max"
  [ "$output" = 20 ]
  echo max >"$DIR/a/pids.max"
  [ "$(cat "$DIR/a/pids.max")" = max ]
  mv "$DIR/a" "$DIR/b"
  [ ! -e "$DIR/a" ]
  grep -qx "populated 0" "$DIR/b/cgroup.events"
  rmdir "$DIR/b"
  "$WARREN" umount "$DIR"
  not_mounted "$DIR"
  [ -z "$(ls -A "$DIR")" ]
}

@test "the files are those that warren group shows" {
  mounted_container
  "$WARREN" group create "$NAME" /a/b --parents
  [ -d "$DIR/a/b" ]
  echo 7 >"$DIR/a/pids.max"
  run -0 "$WARREN" group get "$NAME" /a pids.max
  [[ "$output" == *7* ]]
  rmdir "$DIR/a/b" "$DIR/a"
}

@test "tasks move by their numbers on the host" {
  mounted_container
  local pid
  pid=$(sleeper)
  mkdir "$DIR/a"
  grep -qx "$pid" "$DIR/cgroup.procs"
  put "$pid" "$DIR/a/cgroup.procs"
  [ "$(cat "$DIR/a/cgroup.procs")" = "$pid" ]
  [ "$(cat "$DIR/a/tasks")" = "$pid" ]
  run grep -qx "$pid" "$DIR/cgroup.procs"
  [ "$status" -eq 1 ]
  fails_with "Device or resource busy" rmdir "$DIR/a"
  [ "$(cat "$DIR/a/pids.current")" = 1 ]
  # A guest sees it by its own number.
  kill "$pid"
  eventually 10 rmdir "$DIR/a"
}

@test "wrong writes have the right errors" {
  mounted_container
  mkdir "$DIR/a" "$DIR/a/b" "$DIR/c"
  must python3 - "$DIR" "$$" <<'EOF'
import errno, os, sys
top, outsider = sys.argv[1:]
def expect(wanted, call, *args):
    try:
        call(*args)
        got = None
    except OSError as error:
        got = errno.errorcode[error.errno]
    assert got == wanted, (wanted, got, args)
def put(file, text):
    fd = os.open(f"{top}/{file}", os.O_WRONLY)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)
expect("EINVAL", put, "a/pids.max", b"many")
expect("EINVAL", put, "a/pids.max", b"-1")
expect("E2BIG", put, "a/pids.max", b"1" * 4097)
expect("EINVAL", put, "a/cgroup.procs", b"x")
expect("ESRCH", put, "a/cgroup.procs", b"99999999")
expect("ESRCH", put, "a/cgroup.procs", outsider.encode())
expect("ESRCH", put, "a/cgroup.procs", b"0")
expect("EACCES", put, "a/pids.current", b"1")
expect("EACCES", os.open, f"{top}/a/cgroup.kill", os.O_RDONLY)
expect("EBUSY", os.rmdir, f"{top}/a")
expect("EEXIST", os.mkdir, f"{top}/a")
expect("EEXIST", os.mkdir, f"{top}/a/tasks")
expect("EIO", os.rename, f"{top}/c", f"{top}/a/c")
expect("EPERM", os.unlink, f"{top}/a/tasks")
expect("EACCES", os.open, f"{top}/a/new", os.O_CREAT | os.O_WRONLY)
fd = os.open(f"{top}/c/pids.max", os.O_RDWR)
os.rmdir(f"{top}/c")
expect("ENODEV", os.read, fd, 10)
expect("ENODEV", os.write, fd, b"1")
print("ok")
EOF
  [ "$output" = ok ]
}

@test "poll on cgroup.events tells of freezing and of becoming empty" {
  mounted_container
  local pid
  pid=$(sleeper)
  mkdir "$DIR/a"
  put "$pid" "$DIR/a/cgroup.procs"
  must timeout 60 python3 - "$DIR/a" "$pid" <<'EOF'
import os, select, signal, sys
group, pid = sys.argv[1], int(sys.argv[2])
fd = os.open(f"{group}/cgroup.events", os.O_RDONLY)
poll = select.poll()
poll.register(fd, select.POLLPRI)
def events():
    return dict(line.split() for line in os.pread(fd, 4096, 0).decode().splitlines())
def wait(name, value):
    while events()[name] != value:
        ready = poll.poll(20000)
        assert ready, f"no event before {name} {value}"
        assert ready[0][1] == select.POLLPRI | select.POLLERR, ready
def put(file, text):
    with open(f"{group}/{file}", "w") as f:
        f.write(text)
assert events() == {"populated": "1", "frozen": "0"}, events()
assert poll.poll(0) == []
put("cgroup.freeze", "1")
wait("frozen", "1")
put("cgroup.freeze", "0")
wait("frozen", "0")
assert poll.poll(0) == []
os.kill(pid, signal.SIGKILL)
wait("populated", "0")
os.rmdir(group)
assert poll.poll(20000)
print("ok")
EOF
  [ "$output" = ok ]
}

@test "a subtree is handed over by chown" {
  mounted_container
  local pid
  pid=$(sleeper)
  mkdir "$DIR/a"
  fails_with "Permission denied" as_other mkdir "$DIR/a/x"
  fails_with "Operation not permitted" as_other chown $OTHER "$DIR/a"
  chown $OTHER "$DIR/a" "$DIR/a/cgroup.procs" "$DIR/a/tasks"
  as_other mkdir "$DIR/a/x" "$DIR/a/y"
  [ "$(stat -c %u "$DIR/a/x" "$DIR/a/x/pids.max" | uniq)" = $OTHER ]
  as_other bash -c "echo 5 >'$DIR/a/x/pids.max'"
  fails_with "Permission denied" as_other bash -c "echo 5 >'$DIR/a/pids.max'"
  # From outside the subtree nobody can be fetched; inside it may be moved around.
  fails_with "Permission denied" as_other bash -c "echo $pid >'$DIR/a/x/cgroup.procs'"
  put "$pid" "$DIR/a/cgroup.procs"
  as_other bash -c "echo $pid >'$DIR/a/x/cgroup.procs'"
  as_other bash -c "echo $pid >'$DIR/a/y/cgroup.procs'"
  [ "$(cat "$DIR/a/y/cgroup.procs")" = "$pid" ]
  fails_with "Permission denied" as_other bash -c "echo $pid >'$DIR/cgroup.procs'"
  chmod 700 "$DIR/a"
  run -0 stat -c %a "$DIR/a"
  [ "$output" = 700 ]
}

@test "find goes through it all" {
  mounted_container
  mkdir -p "$DIR/a/b/c" "$DIR/a/d"
  run -0 find "$DIR" -type d -printf '%P\n'
  [ "$(sort <<<"$output")" = "$(printf '%s\n' '' a a/b a/b/c a/d)" ]
  [ "$(stat -c %h "$DIR/a")" = 4 ]
  [ "$(find "$DIR" -name cgroup.procs | wc -l)" = 5 ]
  [ "$(find "$DIR" -printf '%i\n' | sort | uniq -d)" = "" ]
}

@test "a directory that is in use cannot be unmounted" {
  mounted_container
  exec 7<"$DIR/tasks"
  fails_with "Device or resource busy" "$WARREN" umount "$DIR"
  exec 7<&-
  "$WARREN" umount "$DIR"
  fails_with "Invalid argument" "$WARREN" umount "$DIR"
}

@test "several hierarchies at once" {
  mounted_container -o cpuset,pids
  local second=$WORK/second
  mkdir "$second"
  fails_with "Device or resource busy" "$WARREN" mount -o pids,freezer "$NAME" "$second"
  "$WARREN" mount -o none,name=tags "$NAME" "$second"
  mkdir "$DIR/a" "$second/b"
  [ -e "$DIR/a/cpuset.cpus" ]
  [ ! -e "$DIR/a/freezer.state" ]
  [ ! -e "$second/b/pids.max" ]
  local pid
  pid=$(sleeper)
  put "$pid" "$DIR/a/tasks"
  put "$pid" "$second/b/tasks"
  [ "$(cat "$DIR/a/tasks" "$second/b/tasks" | uniq)" = "$pid" ]
  "$WARREN" umount "$second"
  # It has a group with a task, and so is still there.
  "$WARREN" mount -o none,name=tags "$NAME" "$second"
  [ "$(cat "$second/b/tasks")" = "$pid" ]
  "$WARREN" umount "$second"
}

@test "nothing stays mounted when the container ends" {
  mounted_container
  "$WARREN" kill "$NAME"
  eventually 10 not_mounted "$DIR"
}

@test "nothing stays mounted when the supervisor is killed" {
  mounted_container
  mkdir "$DIR/a"
  exec 7<"$DIR/a/tasks"
  kill -KILL "$SUPERVISOR"
  eventually 10 not_mounted "$DIR"
  exec 7<&-
  [ -z "$(ls -A "$DIR")" ]
}

# Rules for devices make it walk the path of every open itself. Many groups make its answers slow.
@test "a supervisor that is killed on its way into its own mount does not stay" {
  local round
  for round in 1 2 3 4 5; do
    mounted_container
    mkdir -p "$DIR/a/b/c/d"
    (cd "$DIR/a/b" && mkdir {1..2000})
    put 'c 1:9 rwm' "$DIR/a/devices.deny"
    "$WARREN" exec "$NAME" -- sh -c '
      for i in 1 2 3 4; do
        while read -r line; do :; done <"$1/a/b/c/d/devices.list"
        echo ready
        while :; do read -r line <"$1/a/b/c/d/devices.list"; done 2>/dev/null &
      done
      wait' sh "$DIR" >"$WORK/opened" 2>/dev/null 3>&- &
    eventually 20 grep -q ready "$WORK/opened"
    kill -KILL "$SUPERVISOR"
    eventually 20 gone "$SUPERVISOR" || { umount -f "$DIR"; return 1; }
    eventually 20 not_mounted "$DIR"
    rm "$WORK/opened"
    wait
  done
}

@test "readers, movers and makers at once" {
  mounted_container
  local pids=() i
  for i in 1 2 3 4; do pids+=("$(sleeper)"); done
  mkdir "$DIR/a" "$DIR/b"
  must timeout 120 python3 - "$DIR" "${pids[@]}" <<'EOF'
import os, sys, threading
top, pids = sys.argv[1], sys.argv[2:]
errors = []
def worker(n):
    try:
        for i in range(100):
            with open(f"{top}/{'ab'[i % 2]}/cgroup.procs", "w") as f:
                f.write(pids[n])
            os.mkdir(f"{top}/a/{n}.{i}")
            os.listdir(top)
            open(f"{top}/b/cgroup.procs").read()
            open(f"{top}/a/{n}.{i}/pids.max").read()
            os.rmdir(f"{top}/a/{n}.{i}")
    except Exception as error:
        errors.append(error)
threads = [threading.Thread(target=worker, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert not errors, errors
assert sorted(open(f"{top}/b/cgroup.procs").read().split(), key=int) == sorted(pids, key=int)
print("ok")
EOF
  [ "$output" = ok ]
}

# Runs a script as an ordinary user where /dev/fuse is everybody's, as it is on a Debian machine.
as_user_with_fuse() {
  mknod "$WORK/fuse" c 10 229
  chmod 666 "$WORK/fuse"
  mkdir -p "$WORK/run"
  chown $OTHER "$WORK/run" "$DIR"
  chmod 700 "$WORK/run"
  unshare -m --propagation private sh -c '
    mount --bind "$1" /dev/fuse && shift && exec "$@"' - "$WORK/fuse" \
    setpriv --reuid=$OTHER --regid=$OTHER --clear-groups --inh-caps=-all \
    env XDG_RUNTIME_DIR="$WORK/run" DIR="$DIR" bash -euc "$1"
}

@test "an ordinary user mounts by fusermount3" {
  must as_user_with_fuse '
    "$WARREN" run --name user -d -- sleep 1000 >/dev/null
    "$WARREN" mount user "$DIR"
    grep -q " $DIR fuse.rcfs .*user_id='$OTHER'" /proc/self/mounts
    mkdir "$DIR/a"
    echo 3 >"$DIR/a/pids.max"
    cat "$DIR/a/pids.max"
    "$WARREN" umount "$DIR"
    "$WARREN" mount "$DIR"   # the only container
    "$WARREN" kill user
    while grep -q " $DIR " /proc/self/mounts; do sleep 0.05; done'
  [ "$output" = 3 ]
}

@test "without FUSE, and without the right to it, it says what is missing" {
  # It is the supervisor that needs it.
  run -125 --separate-stderr unshare -m --propagation private sh -c '
    mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 &&
    "$WARREN" run --name "$1" -d -- sleep 1000 >/dev/null && exec "$WARREN" mount "$1" "$2"' - "$NAME" "$DIR"
  [[ "$stderr" == *"mount: $DIR: No such device; there is no FUSE"* ]]
  "$WARREN" kill "$NAME"
  NAME=${NAME}again # the first one's is free when the last of it has gone
  start_container
  run -125 --separate-stderr as_other env XDG_RUNTIME_DIR="$WORK/none" "$WARREN" mount "$NAME" "$DIR"
  [[ "$stderr" == "warren: mount: "* ]]
}

@test "bad command lines" {
  start_container
  run -125 --separate-stderr "$WARREN" mount "$NAME" "$WORK/nosuch"
  [ "$stderr" = "warren: mount: $WORK/nosuch: No such file or directory" ]
  run -125 --separate-stderr "$WARREN" mount -o nosuch "$NAME" "$DIR"
  [[ "$stderr" == "warren: mount: $DIR: No such file or directory; there is no such subsystem"* ]]
  run -125 --separate-stderr "$WARREN" mount -o none "$NAME" "$DIR"
  [[ "$stderr" == "warren: mount: $DIR: Invalid argument; see 'warren mount --help'"* ]]
  run -125 --separate-stderr "$WARREN" mount nosuch "$DIR"
  [[ "$stderr" == *"no such container"* ]]
  run -125 --separate-stderr "$WARREN" umount "$WORK"
  [[ "$stderr" == *"no container's groups are mounted there"* ]]
}
