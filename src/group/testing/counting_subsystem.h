// Subsystems for tests of the core: they count what they are charged for, and fail when told to.
#pragma once

#include <cerrno>
#include <string>
#include <vector>

#include "warren/groups.h"

namespace warren::testing {

// The next call but `countdown` - 1 of a callback that may fail does, once.
struct Failure {
  static constexpr int kError = EXDEV;  // what no part of the core gives of itself

  void arm(int calls) {
    countdown = calls;
    fired = -1;
  }
  bool due(int subsystem) {
    if (countdown == 0 || --countdown != 0) return false;
    fired = subsystem;
    return true;
  }

  int countdown = 0;  // 0: none fails
  int fired = -1;     // the subsystem that failed
};
inline Failure failure;

// Lines such as "can_attach 1 2": subsystem, number of the task.
inline std::vector<std::string> call_log;
inline int live_states = 0;

struct CountingState final : SubsystemState {
  CountingState() { ++live_states; }
  ~CountingState() override { --live_states; }
  int charged = 0;  // tasks until released, and forks in flight
  int members = 0;  // tasks that have not ended
  bool destroyed = false;
};

inline CountingState& counting(SubsystemState& state) { return static_cast<CountingState&>(state); }

// Number N of some; each is a type, since callbacks carry nothing else. kAsks: has the callbacks
// that may refuse.
template <int N, bool kAsks = true>
struct CountingSubsystem {
  static void log(const char* what, Task* task = nullptr) {
    std::string line = std::string(what) + " " + std::to_string(N);
    if (task != nullptr) line += " " + std::to_string(task->level0());
    call_log.push_back(line);
  }

  static Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState*) {
    if (failure.due(N)) return Errno{Failure::kError};
    log("create");
    return std::unique_ptr<SubsystemState>(new CountingState);
  }
  static void destroy(SubsystemState& state) {
    log("destroy");
    counting(state).destroyed = true;
  }
  static bool unshare(SubsystemState&, std::uint64_t flags) { return (flags & (1u << N)) != 0; }
  static Result<void> can_attach(SubsystemState& to, SubsystemState& from, Task& task) {
    if (failure.due(N)) return Errno{Failure::kError};
    log("can_attach", &task);
    ++counting(to).charged;
    --counting(from).charged;
    return {};
  }
  static void cancel_attach(SubsystemState& to, SubsystemState& from, Task& task) {
    log("cancel_attach", &task);
    --counting(to).charged;
    ++counting(from).charged;
  }
  static void attach(SubsystemState& to, SubsystemState& from, Task& task) {
    log("attach", &task);
    const int change = task.membership().exited ? 0 : 1;
    counting(to).members += change;
    counting(from).members -= change;
    if (!kAsks) {
      ++counting(to).charged;
      --counting(from).charged;
    }
  }
  static Result<void> can_fork(SubsystemState& state, Task&) {
    if (failure.due(N)) return Errno{Failure::kError};
    log("can_fork");
    ++counting(state).charged;
    return {};
  }
  static void cancel_fork(SubsystemState& state) {
    log("cancel_fork");
    --counting(state).charged;
  }
  static void fork(SubsystemState& state, Task& task) {
    log("fork", &task);
    ++counting(state).members;
    if (!kAsks) ++counting(state).charged;
  }
  static void exit(SubsystemState& state, Task& task) {
    log("exit", &task);
    --counting(state).members;
  }
  static void release(SubsystemState& state, Task& task) {
    log("release", &task);
    --counting(state).charged;
  }
  static Result<std::string> read(SubsystemState& state, const GroupCaller&) {
    return std::to_string(counting(state).charged) + "\n";
  }

  static constexpr char kName[] = {'s', '_', 'a' + N, 0};
  static constexpr char kFile[] = {'a' + N, '.', 'c', 'h', 'a', 'r', 'g', 'e', 'd', 0};
  static constexpr GroupFile kFiles[] = {{.name = kFile, .read = read}};
  static constexpr Subsystem kSubsystem{
      .name = kName,
      .create = create,
      .destroy = destroy,
      .unshare = unshare,
      .can_attach = kAsks ? can_attach : nullptr,
      .cancel_attach = kAsks ? cancel_attach : nullptr,
      .attach = attach,
      .can_fork = kAsks ? can_fork : nullptr,
      .cancel_fork = kAsks ? cancel_fork : nullptr,
      .fork = fork,
      .exit = exit,
      .release = release,
      .files = kFiles,
  };
};

inline constexpr const Subsystem* kCounting[] = {
    &CountingSubsystem<0>::kSubsystem, &CountingSubsystem<1>::kSubsystem,
    &CountingSubsystem<2, false>::kSubsystem, &CountingSubsystem<3>::kSubsystem};
inline constexpr int kNrCounting = 4;

}  // namespace warren::testing
