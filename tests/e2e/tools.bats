#!/usr/bin/env bats
# The tools that read /proc and name processes: each sees the namespace, all of it and nothing else.

load helper

# Process 1 is bash, 2 and 3 are sleeps of different lengths; then the script.
with_two_sleeps() {
  guest bash -c 'sleep 1001 & sleep 1002 &
    until [ "$(cat /proc/2/comm /proc/3/comm 2>/dev/null)" = "$(printf "sleep\nsleep")" ]; do :; done
    '"$1"'
    exit 0'
}

@test "ps" {
  run -0 with_two_sleeps 'ps -e -o pid=,ppid=,pgid=,sid=,comm= >all; awk "\$5 != \"ps\" {print \$1, \$2, \$5}" all
    ps -o args= -p 2
    ps -o pid= --ppid 1 -C sleep | head -n 0
    ps -C sleep -o pid= | tr -d " " | paste -sd,
    ps -p 9999 -o pid=; echo $?
    ps aux | awk "NR > 1 {print \$2}" | sort -n | head -n 3 | paste -sd,
    ps -eLf | grep -c "[s]leep 100[12]\$"
    ps -ejH | grep -c "[s]leep\$"'
  expect_output <<-END
	1 0 bash
	2 1 sleep
	3 1 sleep
	sleep 1001
	2,3
	1
	1,2,3
	2
	2
	END
}

@test "ps -ef shows no process of the host" {
  run -0 with_two_sleeps 'ps -ef | wc -l; ls -d /proc/[0-9]* | wc -l'
  # Header, bash, two sleeps, ps, wc; then bash, two sleeps and the pipeline.
  [ "${lines[0]}" -eq 6 ]
  [ "${lines[1]}" -le 5 ]
}

@test "top -b" {
  run -0 with_two_sleeps 'top -b -n 1 >top.txt; awk "/^Tasks:/ {print \$2}" top.txt; awk "seen {print \$1, \$NF} /PID/ {seen = 1}" top.txt | sort -n'
  expect_output <<-END
	4
	1 bash
	2 sleep
	3 sleep
	$(echo "${lines[4]}")
	END
  [[ ${lines[4]} =~ ^[0-9]+\ top$ ]]
}

@test "pgrep and pkill" {
  run -0 with_two_sleeps 'pgrep -x sleep | paste -sd,; exec 2>/dev/null; pgrep -f "^sleep 1002"; pgrep -P 1 -x sleep -c; pgrep -o sleep; pgrep -n sleep
    pgrep -x systemd; echo $?
    pkill -f "^sleep 1001"; wait 2; pgrep -x sleep
    pkill -KILL sleep; wait 2>/dev/null; pgrep -x sleep; echo $?'
  expect_output <<-END
	2,3
	3
	2
	2
	3
	1
	3
	1
	END
}

@test "pstree" {
  run -0 with_two_sleeps 'pstree -p 1 | sed "s/pstree([0-9]*)/pstree/; s/sed([0-9]*)/sed/"'
  [[ $output == bash\(1\)* ]]
  [[ $output == *"sleep(2)"* ]]
  [[ $output == *"sleep(3)"* ]]
  [[ $output != *"?"* ]]
}

@test "pidof and killall" {
  run -0 with_two_sleeps 'pidof sleep; pidof bash; killall sleep; wait 2>/dev/null; pidof sleep; echo $?; killall -q nonexistent; echo $?'
  expect_output <<-END
	3 2
	1
	1
	1
	END
}

@test "kill of a number that only the host has: no such process" {
  # This shell's own number is one that the host has and the namespace, being young, has not.
  run -0 guest bash -c "kill -0 $BASHPID 2>&1 | sed 's/.* - //'; [ -e /proc/$BASHPID ] || echo not there; kill -0 \$\$ && echo itself"
  expect_output <<-END
	$([ "$BASHPID" -gt 20 ] && printf 'No such process\nnot there\nitself')
	END
}

@test "lsns" {
  need lsns
  run -0 with_two_sleeps 'lsns -t pid -n -r -o TYPE,PID,COMMAND; lsns -t pid -n -r -o NS | wc -l; [ "pid:[$(lsns -t pid -n -r -o NS)]" = "$(readlink /proc/1/ns/pid)" ] && echo inode'
  [[ ${lines[0]} == "pid 1 bash"* ]]
  [ "${lines[1]}" = 1 ]
  [ "${lines[2]}" = inode ]
}

@test "htop draws the namespace and quits" {
  need htop
  cat >htop.py <<-'END'
	import sys, pexpect
	child = pexpect.spawn(sys.argv[1], sys.argv[2:], timeout=30, encoding="utf-8", dimensions=(40, 120))
	screen = []
	child.logfile_read = type("Log", (), {"write": lambda s, t: screen.append(t), "flush": lambda s: None})()
	child.expect("sleep 1001")
	child.expect("F10|Quit")
	child.send("q")
	child.expect(pexpect.EOF)
	child.close()
	text = "".join(screen)
	print("bash" in text, "bats" in text, child.exitstatus)
	END
  run -0 timeout -k 5 60 /usr/bin/python3 htop.py "$WARREN" run -- bash -c 'sleep 1001 & htop -d 5 2>/dev/null; exit $?'
  [ "$output" = "True False 0" ]
}

@test "ls /proc, /proc/self, cd /proc/1" {
  run -0 guest bash -c 'ls /proc | grep "^[0-9]" | head -n 1; readlink /proc/self | grep -c "^[0-9]*$"
    cd /proc/1; cut -d " " -f 1,2,4 stat; pwd; cd ..; cat 1/comm; cat self/comm; grep -E "^(Pid|PPid|NSpid):" 1/status | tr "\t" " "; true'
  expect_output <<-END
	1
	1
	1 (bash) 0
	/proc/1
	bash
	cat
	Pid: 1
	PPid: 0
	NSpid: 1
	END
}
