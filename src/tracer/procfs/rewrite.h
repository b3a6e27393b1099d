// The texts of /proc files that carry task numbers, turned from the host's numbers into an
// observer's. Pure functions of text: no file is read here. Line formats are those of proc(5).
#pragma once

#include <string>
#include <string_view>

#include "tracer/procfs/view.h"

namespace warren::procfs {

// /proc/PID/stat: fields pid, state, ppid, pgrp, session, tpgid. comm may hold blanks, newlines and
// parentheses. `is_caller`: the task is the one that reads, hence running. A text of another form
// is returned unchanged.
std::string rewrite_stat(std::string_view text, const TaskNumbers& numbers, bool is_caller,
                         const ProcView& view);

// /proc/PID/status: State, Tgid, Ngid, Pid, PPid, TracerPid (never the supervisor),
// NStgid, NSpid, NSpgid, NSsid.
std::string rewrite_status(std::string_view text, const TaskNumbers& numbers, bool is_caller,
                           const ProcView& view);

// The state letter to show for the host's `state`: a tracee's stop (t) is the supervisor's doing,
// unless another guest is shown it, so it becomes what it would be without: T or R. A caller runs,
// even while it waits to be answered.
char visible_state(char state, const TaskNumbers& numbers, bool is_caller);

// /proc/PID/sched: the number in the first line.
std::string rewrite_sched(std::string_view text, const TaskNumbers& numbers);

// /proc/PID/task/TID/children: numbers that are not visible are left out.
std::string rewrite_children(std::string_view text, const ProcView& view);

// /proc/PID/fdinfo/N: Pid and NSpid of a pidfd (pidfd_open(2)), owners in lock lines.
std::string rewrite_fdinfo(std::string_view text, const ProcView& view);

// /proc/PID/timers: the task that a timer notifies.
std::string rewrite_timers(std::string_view text, const ProcView& view);

// /proc/locks: locks of owners that are not visible are left out, as Linux does; -1 (open file
// description locks) stays.
std::string rewrite_locks(std::string_view text, const ProcView& view);

// /proc/loadavg: the last field, the number given out last.
std::string rewrite_loadavg(std::string_view text, int last_pid);

// /proc/sysvipc/{shm,msg}: the two columns (0-based) that hold numbers. Widths are kept.
std::string rewrite_sysvipc(std::string_view text, int first_column, int second_column,
                            const ProcView& view);

}  // namespace warren::procfs
