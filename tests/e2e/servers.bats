#!/usr/bin/env bats
# Servers that fork, signal their children and write their own numbers to files. Unix sockets only.

load helper

@test "redis-server with redis-cli" {
  need redis-server redis-cli
  cat >redis.sh <<-'END'
	set -e
	redis-server --port 0 --unixsocket "$PWD/redis.sock" --pidfile "$PWD/redis.pid" --daemonize yes \
	  --dir "$PWD" --logfile "$PWD/redis.log" --save "" >/dev/null
	cli() { redis-cli -s redis.sock "$@"; }
	until cli ping 2>/dev/null | grep -q PONG; do sleep 0.05; done
	cli set key value
	cli get key
	[ "$(cat redis.pid)" = "$(pgrep -x redis-server)" ] && echo "pid file right"
	[ "$(cli info server | tr -d '\r' | sed -n 's/^process_id://p')" = "$(cat redis.pid)" ] && echo "process_id right"
	# A background save is a fork that the server waits for.
	cli bgsave >/dev/null
	while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do sleep 0.05; done
	cli info persistence | tr -d '\r' | grep rdb_last_bgsave_status
	cli eval 'local s = 0 for i = 1, 100 do s = s + i end return s' 0
	cli shutdown nosave
	while pgrep -x redis-server >/dev/null; do sleep 0.05; done
	echo stopped
	END
  run -0 guest bash redis.sh
  expect_output <<-END
	OK
	value
	pid file right
	process_id right
	rdb_last_bgsave_status:ok
	5050
	stopped
	END
}

@test "PostgreSQL: initdb, start, queries, stop" {
  local bin
  bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [ -x "$bin/initdb" ]
  cat >postgres.sh <<-'END'
	set -e
	PATH=$1:$PATH
	export PGHOST=$PWD PGDATABASE=postgres PGDATA=$PWD/data PGUSER=e2e
	initdb -A trust -U e2e -E UTF8 --locale=C.UTF-8 -N >initdb.log
	pg_ctl -w -l server.log -o "-c listen_addresses='' -k $PWD -c fsync=off" start >/dev/null
	psql -Atc 'select sum(i) from generate_series(1, 1000) i'
	[ "$(head -n 1 data/postmaster.pid)" = "$(pgrep -o -x postgres)" ] && echo "pid file right"
	# The server's idea of a backend's number is the number that ps shows.
	psql -Atc 'select pg_backend_pid()' -c '\! ps -C postgres -o pid= -o args= | grep -F "[local]" | head -n 1' |
	  awk 'NR == 1 { a = $1 } NR == 2 { print (a == $1 ? "backend number right" : "backend number wrong") }'
	# One backend signals another.
	psql -qc 'select pg_sleep(1000)' 2>sleeper.err & sleeper=$!
	until [ "$(psql -Atc "select count(*) from pg_stat_activity where query like '%pg_sleep(1000)%' and state = 'active' and pid <> pg_backend_pid()")" = 1 ]; do sleep 0.05; done
	psql -Atc "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(1000)%' and pid <> pg_backend_pid()"
	wait $sleeper || echo "terminated"
	psql -qc 'create table t (x int)' -c 'insert into t select generate_series(1, 5000)'
	psql -Atc 'set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; select count(*) from t' | tail -n 1
	pg_ctl status >/dev/null && echo running
	pg_ctl -w -m fast stop >/dev/null
	pg_ctl status >/dev/null || echo stopped
	END
  LIMIT=180 run -0 guest bash postgres.sh "$bin"
  expect_output <<-END
	500500
	pid file right
	backend number right
	t
	terminated
	5000
	running
	stopped
	END
}

@test "tmux with a shell in it" {
  need tmux
  cat >tmux.sh <<-'END'
	set -e
	t() { tmux -L "$1" -f /dev/null "${@:2}"; }
	s=e2e-$E2E_MARK
	export TMUX_TMPDIR=$PWD
	t $s new-session -d -x 80 -y 24 'exec bash --norc --noprofile'
	t $s send-keys "echo shell=\$\$ >shell; tmux wait-for -S told" Enter
	t $s wait-for told
	pane=$(t $s list-panes -F '#{pane_pid}')
	[ "$(cat shell)" = "shell=$pane" ] && echo "pane number right" || echo "pane $pane, $(cat shell)"
	until [ "$(t $s list-panes -F '#{pane_current_command}')" = bash ]; do sleep 0.05; done
	t $s send-keys 'sleep 1000' Enter
	until [ "$(t $s list-panes -F '#{pane_current_command}')" = sleep ]; do sleep 0.05; done
	t $s send-keys C-z
	until [ "$(t $s list-panes -F '#{pane_current_command}')" = bash ]; do sleep 0.05; done
	t $s send-keys 'jobs >jobs; tmux wait-for -S listed' Enter
	t $s wait-for listed
	grep -o Stopped jobs
	t $s split-window 'exec bash --norc --noprofile'
	t $s list-panes | wc -l
	server=$(t $s display-message -p '#{pid}')
	[ "$(pgrep -f 'tmux -L' | head -n 1)" -ge 1 ] && [ "$(ps -o ppid= -p "$server" | tr -d ' ')" = 1 ] && echo "server's parent is 1"
	t $s kill-server
	while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
	echo ended
	END
  run -0 guest bash tmux.sh
  expect_output <<-END
	pane number right
	Stopped
	2
	server's parent is 1
	ended
	END
}
