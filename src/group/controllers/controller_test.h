// What the tests of controllers share: real Groups over a real engine, and a host that notes down
// what it is asked for.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/testing/engine_test.h"
#include "warren/groups.h"

namespace warren::testing {

// Notes calls as lines, tasks by their numbers in the root namespace: "freeze 5". Errors can be
// ordered for a number.
class RecordingHost : public GroupHost {
 public:
  void freeze(Task& task) override {
    (void)note("freeze", task);
    ++freezes[&task];
  }
  void thaw(Task& task) override {
    (void)note("thaw", task);
    --freezes[&task];
  }
  CpuSet cpus() override { return machine; }
  Result<void> set_cpus(Task& task, const CpuSet& cpus) override {
    std::string text;
    for (const bool member : cpus) text += member ? '1' : '0';
    return note("cpus " + text, task);
  }
  Result<void> set_nice(Task& task, int nice) override {
    return note("nice " + std::to_string(nice), task);
  }
  Result<void> set_rlimit(ThreadGroup& process, int resource, std::uint64_t soft,
                          std::uint64_t hard) override {
    return note("rlimit " + std::to_string(resource) + " " + std::to_string(soft) + " " +
                    std::to_string(hard),
                *process.leader());
  }
  CpuTime cpu_time(Task& task) override { return times[&task]; }
  MemoryUse memory(ThreadGroup& process) override { return rough[&process]; }
  MemoryUse memory_share(ThreadGroup& process) override {
    ++shares_asked;
    const auto exact = shares.find(&process);
    return exact != shares.end() ? exact->second : memory(process);
  }
  void kill(ThreadGroup& process, int signal) override {
    (void)note("kill " + std::to_string(signal), *process.leader());
  }
  void set_tick(int milliseconds) override { tick_ms = milliseconds; }
  std::string nodename() override { return "host"; }
  std::string domainname() override { return "example.org"; }
  std::uint64_t now() override { return clock; }
  void watch_devices() override { calls.push_back("watch_devices"); }

  // The calls since the last time.
  std::vector<std::string> take() { return std::exchange(calls, {}); }
  // As take(), where the order does not matter.
  std::multiset<std::string> take_sorted() {
    const std::vector<std::string> taken = take();
    return {taken.begin(), taken.end()};
  }

  CpuSet machine = CpuSet(8, true);
  std::map<Nr, int> errors;
  std::map<const Task*, int> freezes;
  std::vector<std::string> calls;
  // What the simulated tasks have used; microseconds.
  std::map<const Task*, CpuTime> times;
  std::map<const ThreadGroup*, MemoryUse> rough;
  std::map<const ThreadGroup*, MemoryUse> shares;
  int shares_asked = 0;
  int tick_ms = 0;
  std::uint64_t clock = 0;

 private:
  Result<void> note(const std::string& what, Task& task) {
    calls.push_back(what + " " + std::to_string(task.vnr()));
    const auto found = errors.find(task.vnr());
    return found == errors.end() ? Result<void>() : Errno{found->second};
  }
};

class ControllerTest : public EngineTest {
 protected:
  // `machine`: what the host has, before the root groups are made.
  explicit ControllerTest(CpuSet machine = CpuSet(8, true)) {
    host.machine = std::move(machine);
    groups = std::move(Groups::create(*kernel, host)).value();
    EXPECT_TRUE(groups->adopt(*init));
    living.push_back(init);
  }
  ~ControllerTest() override {
    while (!living.empty()) end(Ref<Task>(living.back()));
  }

  Group& root_group() {
    if (!default_root) default_root = groups->default_root();
    return *default_root;
  }
  // "a/b" below the root of the default hierarchy.
  Group& at(std::string_view path) {
    const GroupRef found = groups->find(root_group(), path);
    if (!found) ADD_FAILURE() << "no group " << path;
    return *found;  // the tree holds it
  }
  Group& make(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    Group& parent = slash == std::string_view::npos ? root_group() : at(path.substr(0, slash));
    const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    return *groups->make(parent, name, {}).value();
  }
  std::string read(Group& group, std::string_view file) {
    const Result<std::string> text = groups->read(group, file, {});
    return text ? *text : "errno " + std::to_string(text.error_code());
  }
  int write(Group& group, std::string_view file, std::string_view text) {
    return groups->write(group, file, text, {}).error_code();
  }

  // A child in its parent's groups, and 0; or nothing, and the errno.
  std::pair<Ref<Task>, int> try_fork(const Ref<Task>& parent, const ForkArgs& args = {}) {
    Result<ForkMembership> membership = groups->begin_fork(*parent);
    if (!membership) return {Ref<Task>(), membership.error_code()};
    Ref<Task> child = fork(parent, args);
    groups->publish_fork(std::move(*membership), *child);
    living.push_back(child);
    return {child, 0};
  }
  Ref<Task> child_of(const Ref<Task>& parent, const ForkArgs& args = {}) {
    auto [child, error] = try_fork(parent, args);
    EXPECT_EQ(error, 0);
    return child;
  }
  Ref<Task> child_in(Group& group) {
    Ref<Task> child = child_of(init);
    EXPECT_EQ(move(child, group), 0);
    return child;
  }
  int move(const Ref<Task>& task, Group& to) {
    return groups->move(to, std::span<const Ref<Task>>(&task, 1)).error_code();
  }
  // Leaves a zombie where there is one.
  void exit(const Ref<Task>& task) {
    kernel->exit_task(*task, 0);
    groups->exit(*task);
  }
  void reap(const Ref<Task>& task) {
    if (task->is_leader()) kernel->reap(task->group());
    groups->release(*task);
    std::erase_if(living, [&](const Ref<Task>& other) { return other.get() == task.get(); });
  }
  void end(const Ref<Task>& task) {
    if (task->alive()) exit(task);
    reap(task);
  }

  RecordingHost host;
  std::unique_ptr<Groups> groups;
  GroupRef default_root;
  std::vector<Ref<Task>> living;  // not reaped
};

}  // namespace warren::testing
