#include "cli/top/help.h"

#include <array>

namespace warren::cli::top {
namespace {

constexpr std::array<std::string_view, 21> kLines = {
    "Keys of warren top",
    "",
    "  Up Down PgUp PgDn Home End   choose a row",
    "  Left Right                   move the last column sideways",
    "  Tab, g n t                   groups, namespaces, tasks",
    "  V, F5                        tree or list",
    "  P M T F C N                  sort by CPU, memory, time, forks, tasks, name",
    "  < >  and  R                  sort by the column beside; the other way round",
    "  /, F4                        show only rows that contain a text; Esc: all",
    "  k, F9                        send a signal to a process, namespace or group",
    "  f                            freeze or thaw a group and all below it",
    "  d, + -                       time between measurements; Space: measure now",
    "  ?, h, F1                     this page",
    "  q, F10, Ctrl-C               quit",
    "",
    "%CPU is of one processor. TASKS, %CPU, TIME, MEM and FORK/S of groups and",
    "namespaces include what is below; OWN does not. Groups count what has ended",
    "too; namespaces add up the processes that are there, MEM being the sum of",
    "their resident sets. FORK/S: new processes and threads. NUMBERS: those of a",
    "process, from the outermost namespace to its own. S: state as in ps(1). THR:",
    "threads. LIMIT: the group's pids.max.",
};

}  // namespace

std::span<const std::string_view> help_lines() { return kLines; }

}  // namespace warren::cli::top
