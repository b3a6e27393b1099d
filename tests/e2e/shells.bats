#!/usr/bin/env bats
# Shells: numbers, pipelines, job control on a terminal.

load helper

@test "a shell is process 1 and sees its namespace alone" {
  run -0 guest bash -c 'echo $$ $PPID; ps -e -o pid=,ppid=,comm= | sed "s/^ *//; s/  */ /g"; exit 0'
  expect_output <<-END
	1 0
	1 0 bash
	2 1 ps
	3 1 sed
	END
}

@test "the exit status is the command's own, or 128 and the signal" {
  run -42 guest sh -c 'exit 42'
  run -143 guest sh -c 'trap "exit 143" TERM; kill -TERM $$; sleep 10'
  run -137 guest sh -c 'sh -c "kill -KILL \$\$"; exit $?'
}

@test "pipelines, subshells, command substitution, here-documents" {
  run -0 guest bash -c '
    set -o pipefail
    seq 1000 | grep 7 | sort -rn | head -n 3 | tr "\n" " "; echo
    (exit 3) | true; echo "${PIPESTATUS[*]}"
    echo "$(echo "$(echo nested)")"
    cat <<< here
    { echo one; echo two >&2; } 2>&1 | wc -l
    diff <(seq 5) <(seq 5) && echo same
    coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
    kill $COPROC_PID; wait $COPROC_PID 2>/dev/null; echo $?'
  expect_output <<-END
	997 987 979 
	3 0
	nested
	here
	2
	same
	through
	143
	END
}

@test "background jobs of a script: wait, kill, traps" {
  run -0 guest bash -c '
    sleep 1000 & a=$!
    (exit 5) & b=$!
    echo "$a $b"
    wait $b; echo $?
    kill $a; wait $a; echo $?
    trap "echo caught" USR1
    bash -c "kill -USR1 \$PPID; true"
    trap "" CHLD; true
    wait; echo end' 2>/dev/null
  expect_output <<-END
	2 3
	5
	143
	caught
	end
	END
}

@test "dash, zsh and fish run where they are installed" {
  run -0 guest dash -c 'sh -c "exit 4"; echo $? $$'
  [ "$output" = "4 1" ]
  if command -v zsh >/dev/null; then
    run -0 guest zsh -fc 'print -l 3 1 2 | sort | paste -sd,; echo $$'
    [ "$output" = $'1,2,3\n1' ]
  fi
  if command -v fish >/dev/null; then
    run -0 guest fish --no-config -c 'seq 3 | paste -sd,; echo $fish_pid'
    [ "$output" = $'1,2,3\n1' ]
  fi
}

@test "interactive bash with job control on a terminal" {
  run -0 --separate-stderr timeout -k 5 120 "$PROGRAMS/job_control.py" "$WARREN" run -- bash --norc --noprofile -i
  expect_output <<-END
	prompt, numbers and window size
	Ctrl-Z, jobs, bg, fg, Ctrl-C
	a pipeline as one job
	background jobs
	a shell in the shell
	exit 7
	END
}

@test "Ctrl-C ends a program that runs as process 1" {
  run -0 timeout -k 5 60 "$PROGRAMS/ctrl_c.py" "$WARREN" run -- sh -c 'echo started; exec sleep 1000'
  [ "$output" = "exit 130 signal None" ] || [ "$output" = "exit None signal 2" ]
}

@test "Ctrl-C reaches a program below a shell" {
  run -0 timeout -k 5 60 "$PROGRAMS/ctrl_c.py" "$WARREN" run -- \
    bash -c 'trap "exit 9" INT; bash -c "echo started; exec sleep 1000"; exit 1'
  [ "$output" = "exit 9 signal None" ]
}
