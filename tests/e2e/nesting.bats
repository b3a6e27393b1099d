#!/usr/bin/env bats
# Namespaces within namespaces: by warren itself, by util-linux, and deeper than Linux goes.

load helper

@test "warren in warren" {
  run -0 guest bash -c 'echo outer $$; "$0" run -- bash -c "echo inner \$\$ \$PPID; exit 9"; echo status $?' "$WARREN"
  expect_output <<-END
	outer 1
	inner 1 0
	status 9
	END
}

@test "warren in warren in warren, seen from each level" {
  cat >deep.sh <<-'END'
	level=$1
	if [ "$level" -lt 3 ]; then "$WARREN" run -- bash deep.sh $((level + 1)) & fi
	# Everyone who is deeper is visible from here.
	until [ -e "ready$((level + 1))" ] || [ "$level" = 3 ]; do sleep 0.02; done
	echo "level $level me $$ deep.sh seen $(pgrep -fc 'bash deep.sh')" >"seen$level"
	: >"ready$level"
	if [ "$level" = 1 ]; then exit 0; fi
	sleep 1000
	END
  run -0 guest bash -c "export WARREN='$WARREN'; exec bash deep.sh 1"
  run -0 cat seen1 seen2 seen3
  [[ ${lines[0]} == "level 1 me 1 deep.sh seen "* ]]
  [[ ${lines[1]} == "level 2 me 1 deep.sh seen "* ]]
  [ "${lines[2]}" = "level 3 me 1 deep.sh seen 1" ]
  # Each level sees itself and what is below, so the counts go down.
  [ "${lines[0]##* }" -gt "${lines[1]##* }" ]
  [ "${lines[1]##* }" -gt "${lines[2]##* }" ]
}

@test "the inner namespace cannot see or signal the outer" {
  run -0 guest bash -c 'sleep 1000 & for i in $(seq 10); do true & done; wait $!
    "$0" run -- bash -c "kill -KILL 2 2>/dev/null; echo \$?; pgrep -x sleep; echo \$?; kill -KILL -1 2>/dev/null; echo \$?"
    kill -0 2 && echo alive' "$WARREN"
  expect_output <<-END
	1
	1
	1
	alive
	END
}

@test "unshare -p -f" {
  run -0 guest bash -c 'unshare -p -f bash -c "echo \$\$ \$PPID; exit 5"; echo $?; echo $$'
  expect_output <<-END
	1 0
	5
	1
	END
}

@test "unshare, then nsenter and lsns on its process" {
  run -0 guest bash -c '
    unshare -p -f sleep 1000 2>/dev/null &
    until inner=$(pgrep -x sleep); do :; done
    nsenter -t $inner -p bash -c "echo entered as \$\$; exit 6"; echo $?
    lsns -t pid -n -r -o NS | wc -l
    [ "$(readlink /proc/$inner/ns/pid)" != "$(readlink /proc/self/ns/pid)" ] && echo differs
    grep NSpid /proc/$inner/status | wc -w
    kill -KILL $inner; wait; echo $?'
  expect_output <<-END
	entered as 2
	6
	2
	differs
	3
	0
	END
}

@test "40 namespaces, each in the last" {
  cat >down.sh <<-'END'
	left=$1
	[ $$ = 1 ] || echo "not 1 but $$"
	if [ "$left" -gt 0 ]; then
	  unshare -p -f sh down.sh $((left - 1)); exit $(($? + 1))
	fi
	: >bottom
	read -r line <leave
	exit 3
	END
  # Nothing comes or goes while lsns looks: a process that ends under its eyes is an error to it.
  mkfifo leave
  LIMIT=120 run -0 guest bash -c '
    unshare -p -f sh down.sh 39 & until [ -e bottom ]; do sleep 0.05; done
    cat /proc/[0-9]*/status 2>/dev/null | awk "/^NSpid/ { if (NF - 1 > most) most = NF - 1 } END { print most }"
    lsns -t pid -n -r -o NS | wc -l
    echo >leave; wait $!; echo $?'
  expect_output <<-END
	41
	41
	42
	END
}

@test "--nest 40 and --nest 1000" {
  run -0 timeout -k 5 60 "$WARREN" run --nest 40 -- bash -c 'echo $$ $PPID; ps -e -o pid= | wc -l; exit 0'
  expect_output <<-END
	1 0
	3
	END
  run -7 timeout -k 5 240 "$WARREN" run --nest 1000 -- sh -c 'echo $$; exit 7'
  [ "$output" = 1 ]
}

@test "the end of a namespace in the middle takes all below it" {
  run -0 guest bash -c '
    unshare -p -f sh -c "unshare -p -f sh -c \"unshare -p -f sleep 1000; true\"; true" 2>/dev/null &
    until inner=$(pgrep -x sleep); do :; done
    first=$(pgrep -o -f "^sh -c unshare"); kill -KILL $first
    wait; pgrep -x sleep; echo $?; list=$(ps -e -o comm=); sort <<<"$list" | paste -sd,'
  expect_output <<-END
	1
	bash,ps
	END
}
