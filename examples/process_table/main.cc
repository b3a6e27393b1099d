// A process table with nested namespaces, driven by commands on standard input: what an emulator or
// a user-space kernel would do with libwarren. Every NR is a number in the root namespace.
//
//   fork NR         a child of process NR
//   thread NR       a thread in it
//   container NR    a child in a namespace of its own
//   enter NR        process NR itself goes into a new namespace
//   exec NR, exit NR, reap NR, setsid NR
//   kill NR PID     whom kill(PID) by NR would reach, in NR's own numbers
//   ps [NR]         the table as process NR sees it; without NR the root's view
#include <warren/kernel.h>

#include <cstring>
#include <exception>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>

namespace {

using warren::Nr;
using warren::Ref;

class ProcessTable {
 public:
  explicit ProcessTable(warren::Kernel& kernel) : kernel_(kernel) {}

  // False when the command or its process is not known.
  bool run(const std::string& command, Nr nr, Nr argument) {
    if (command == "ps" && nr == 0) {
      print(kernel_.root());
      return true;
    }
    Ref<warren::Task> task = kernel_.find_task(kernel_.root(), nr);
    if (!task) return false;
    if (command == "fork") {
      fork(*task, {});
    } else if (command == "thread") {
      fork(*task, {.thread = true});
    } else if (command == "container") {
      fork(*task, {.new_pid_ns = true});
    } else if (command == "enter") {
      report(kernel_.grow(task->group()), "enter");
    } else if (command == "exec") {
      kernel_.exec(*task);
    } else if (command == "exit") {
      exit(*task);
    } else if (command == "reap") {
      kernel_.reap(task->group());
    } else if (command == "setsid") {
      report(kernel_.setsid(task->group()), "setsid");
    } else if (command == "kill") {
      targets(*task, argument);
    } else if (command == "ps") {
      print(*task->ns());
    } else {
      return false;
    }
    return true;
  }

 private:
  template <typename T>
  static bool report(const warren::Result<T>& result, const char* what) {
    if (!result) std::cout << what << ": " << std::strerror(result.error_code()) << '\n';
    return result.ok();
  }

  // The numbers are known before the child exists; a real kernel would now make the process, and
  // drop the reservation if that fails.
  void fork(warren::Task& parent, const warren::ForkArgs& args) {
    warren::Result<warren::ForkReservation> reservation = kernel_.reserve_fork(parent, args);
    if (!report(reservation, "fork")) return;
    Ref<warren::Task> child = kernel_.publish_fork(std::move(*reservation));
    std::cout << "made " << tuple(*child) << '\n';
  }

  void exit(warren::Task& task) {
    const warren::ExitResult result = kernel_.exit_task(task, 0);
    for (const Ref<warren::ThreadGroup>& orphan : result.reparented) {
      std::cout << orphan->level0() << " has a new parent: " << orphan->parent_nr_in(kernel_.root())
                << '\n';
    }
    // The end of an init ends all of its namespace.
    for (const Ref<warren::PidNamespace>& ns : result.dying) {
      for (const Ref<warren::ThreadGroup>& group : kernel_.begin_zap(*ns)) {
        std::cout << group->level0() << " is killed with its namespace\n";
        for (const Ref<warren::Task>& thread : group->threads()) kernel_.exit_task(*thread, 9);
        kernel_.reap(*group);
      }
    }
  }

  void targets(warren::Task& sender, Nr pid) {
    auto found = kernel_.signal_targets(sender, pid);
    if (!report(found, "kill")) return;
    std::cout << "kill(" << pid << ") reaches";
    for (const Ref<warren::ThreadGroup>& group : *found) {
      std::cout << ' ' << group->nr_in(*sender.ns());
      if (warren::Kernel::init_protected(&sender, *group)) std::cout << " (protected)";
    }
    std::cout << '\n';
  }

  static std::string tuple(const warren::Task& task) {
    std::ostringstream text;
    for (Nr nr : task.numbers()) text << (text.tellp() > 0 ? "/" : "") << nr;
    return text.str();
  }

  void print(const warren::PidNamespace& ns) {
    std::cout << "  PID  TGID  PPID  PGID   SID STATE  NUMBERS\n";
    for (const warren::TaskSnapshot& s : kernel_.snapshot().tasks) {
      const Nr nr = s.task->nr_in(ns);
      if (nr == 0) continue;  // not visible from there
      const char* state = s.state == warren::GroupState::kZombie ? "zombie" : "alive";
      std::cout << std::setw(5) << nr << std::setw(6) << s.group->nr_in(ns) << std::setw(6)
                << s.group->parent_nr_in(ns) << std::setw(6) << s.pgid->nr_in(ns) << std::setw(6)
                << s.sid->nr_in(ns) << ' ' << std::setw(6) << std::left << state << std::right
                << ' ' << tuple(*s.task) << '\n';
    }
  }

  warren::Kernel& kernel_;
};

}  // namespace

int main() try {
  auto kernel = warren::Kernel::create();
  if (!kernel || !(*kernel)->adopt((*kernel)->root(), {})) {
    std::cerr << "process_table: out of memory\n";
    return 1;
  }
  ProcessTable table(**kernel);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    Nr nr = 0;
    Nr argument = 0;
    if (!(words >> command) || command.front() == '#') continue;
    words >> nr >> argument;
    std::cout << "> " << line << '\n';
    if (!table.run(command, nr, argument)) std::cout << "no such command or process\n";
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "process_table: " << error.what() << '\n';
  return 1;
}
