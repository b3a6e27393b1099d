#!/usr/bin/env bats
# Task groups in /proc: cgroup, cgroups, and the tables of mounts.

load helper

@test "/proc/PID/cgroup follows a process from group to group" {
  run -0 guest bash -c '
    cat /proc/self/cgroup
    warren=$1
    "$warren" group create -p /a/b || exit
    sleep 1000 & sleeper=$!
    "$warren" move $sleeper --to /a/b || exit
    cat /proc/$sleeper/cgroup /proc/$sleeper/task/$sleeper/cgroup
    "$warren" move $$ --to /a
    cat /proc/self/cgroup /proc/thread-self/cgroup
    unshare -p -f cat /proc/self/cgroup
    kill $sleeper' - "$WARREN"
  expect_output <<-END
	0::/
	0::/a/b
	0::/a/b
	0::/a
	0::/a
	0::/a
	END
}

@test "/proc/cgroups has warren's subsystems, none of the host's" {
  run -0 guest cat /proc/cgroups
  [ "${lines[0]}" = "#subsys_name	hierarchy	num_cgroups	enabled" ]
  for subsystem in cpu cpuacct cpuset devices freezer memory pids; do
    [[ $output == *$'\n'$subsystem$'\t0\t1\t1'* ]]
  done
  [[ $output != *hugetlb* ]] && [[ $output != *perf_event* ]]
}

@test "the host's own hierarchies are in no table of mounts, all else is" {
  run -0 guest bash -c '
    for table in /proc/mounts /proc/self/mounts /proc/$$/mountinfo /proc/thread-self/mountinfo; do
      grep -cE " (- )?cgroup2? " $table
    done
    findmnt -n -o TARGET,FSTYPE /proc'
  [ "${lines[*]:0:4}" = "0 0 0 0" ]
  [[ ${lines[4]} == /proc*proc ]]
  # What is left is the same, in the same order.
  diff <(guest cat /proc/self/mounts) <(grep -vE ' cgroup2? ' /proc/self/mounts)
}
