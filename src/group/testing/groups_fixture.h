// What the tests of the core share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "group/testing/counting_subsystem.h"
#include "kernel/testing/engine_test.h"

namespace warren::testing {

// Notes what it is asked for.
struct NotingHost final : GroupHost {
  void kill(ThreadGroup& process, int signal) override {
    calls.push_back("kill " + std::to_string(process.level0()) + " " + std::to_string(signal));
  }
  void run_agent(const std::string& program, const std::string& argument) override {
    calls.push_back(program + " " + argument);
  }
  void set_tick(int milliseconds) override {
    calls.push_back("tick " + std::to_string(milliseconds));
  }
  std::vector<std::string> calls;
};

// An engine whose init is in the groups of four counting subsystems.
class GroupsTest : public EngineTest {
 protected:
  GroupsTest() {
    failure = {};
    groups = std::move(*Groups::create(*kernel, host, kCounting));
    top = groups->default_root();
    EXPECT_TRUE(groups->adopt(*init));
    call_log.clear();
  }
  ~GroupsTest() override {
    top = {};
    groups.reset();
    EXPECT_EQ(live_states, 0);
  }

  // A child, in the groups too.
  Ref<Task> spawn(const Ref<Task>& parent, const ForkArgs& args = {}) {
    Result<ForkMembership> membership = groups->begin_fork(*parent);
    EXPECT_TRUE(membership) << membership.error_code();
    Ref<Task> child = fork(parent, args);
    groups->publish_fork(std::move(*membership), *child);
    return child;
  }
  void end(const Ref<Task>& task) {
    groups->exit(*task);
    die(task);
    groups->release(*task);
  }
  GroupRef make(const GroupRef& parent, std::string_view name) {
    Result<GroupRef> made = groups->make(*parent, name, {});
    EXPECT_TRUE(made) << made.error_code();
    return made ? *made : GroupRef();
  }
  GroupRef mount(std::string_view options) {
    Result<GroupRef> root_group = groups->mount(*MountOptions::parse(options));
    EXPECT_TRUE(root_group) << options << ": " << root_group.error_code();
    return root_group ? *root_group : GroupRef();
  }
  int mount_error(std::string_view options) {
    return groups->mount(*MountOptions::parse(options)).error_code();
  }
  std::string read(const GroupRef& group, std::string_view file, const GroupCaller& caller = {}) {
    Result<std::string> text = groups->read(*group, file, caller);
    return text ? *text : "error " + std::to_string(text.error_code());
  }
  int write(const GroupRef& group, std::string_view file, std::string_view text,
            const GroupCaller& caller = {}) {
    return groups->write(*group, file, text, caller).error_code();
  }
  int move(const GroupRef& to, const std::vector<Ref<Task>>& tasks) {
    return groups->move(*to, tasks).error_code();
  }

  NotingHost host;
  std::unique_ptr<Groups> groups;
  GroupRef top;
};

}  // namespace warren::testing
