#include <algorithm>
#include <deque>

#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

Result<std::unique_ptr<SubsystemState>> create_plain(Groups&, GroupHost&, SubsystemState*) {
  struct Plain : SubsystemState {};
  return std::unique_ptr<SubsystemState>(new Plain);
}

class RegistryTest : public EngineTest {
 protected:
  int create(const std::vector<const Subsystem*>& subsystems) {
    return Groups::create(*kernel, host, subsystems).error_code();
  }
  NotingHost host;
};

TEST_F(RegistryTest, WhatIsWrongWithADeclarationIsToldAtTheStart) {
  const GroupFile file{.name = "one.file"};
  const GroupFile common{.name = "tasks"};
  const GroupFile twice[] = {file, file};
  const Subsystem one{.name = "one", .create = create_plain, .files = {&file, 1}};
  const Subsystem same_name{.name = "one", .create = create_plain};
  const Subsystem same_file{.name = "other", .create = create_plain, .files = {&file, 1}};
  const Subsystem common_file{.name = "other", .create = create_plain, .files = {&common, 1}};
  const Subsystem file_twice{.name = "other", .create = create_plain, .files = twice};
  const Subsystem no_create{.name = "other"};
  const Subsystem no_name{.create = create_plain};
  const Subsystem bad_name{.name = "Other", .create = create_plain};
  EXPECT_EQ(create({&one}), 0);
  EXPECT_EQ(create({&one, &same_name}), EEXIST);
  EXPECT_EQ(create({&one, &same_file}), EEXIST);
  EXPECT_EQ(create({&common_file}), EEXIST);
  EXPECT_EQ(create({&file_twice}), EEXIST);
  EXPECT_EQ(create({&one, &no_create}), EINVAL);
  EXPECT_EQ(create({&no_name}), EINVAL);
  EXPECT_EQ(create({&bad_name}), EINVAL);
}

TEST_F(RegistryTest, AFullTable) {
  std::deque<std::string> names;
  std::deque<Subsystem> all;
  std::vector<const Subsystem*> pointers;
  for (int i = 0; i < Groups::kMaxSubsystems; ++i) {
    names.push_back(std::string("s_") + static_cast<char>('a' + i));
    all.push_back({.name = names.back(), .create = create_plain});
    pointers.push_back(&all.back());
  }
  EXPECT_EQ(create(pointers), 0);
  const Subsystem more{.name = "more", .create = create_plain};
  pointers.push_back(&more);
  EXPECT_EQ(create(pointers), ENOSPC);
}

TEST_F(RegistryTest, AFailingRootStateIsTheErrorOfAll) {
  failure.arm(3);
  EXPECT_EQ(Groups::create(*kernel, host, kCounting).error_code(), Failure::kError);
  EXPECT_EQ(live_states, 0);
}

TEST_F(RegistryTest, RegisteredOnesAreInOrder) {
  const auto all = registered_subsystems();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const Subsystem* a, const Subsystem* b) {
    return a->name < b->name;
  }));
  EXPECT_LT(all.size() + 4, Groups::kMaxSubsystems) << "spare places for add_subsystem()";
}

class AddSubsystemTest : public GroupsTest {
 protected:
  using Late = CountingSubsystem<7>;
};

TEST_F(AddSubsystemTest, IsChargedForTheTasksThatAreThere) {
  const Ref<Task> child = spawn(init);
  const Ref<Task> zombie = spawn(init);
  groups->exit(*zombie);
  const GroupRef a = make(top, "a");
  ASSERT_TRUE(groups->add_subsystem(Late::kSubsystem));
  EXPECT_EQ(groups->find_subsystem("s_h"), &Late::kSubsystem);
  EXPECT_EQ(read(top, "h.charged"), "3\n");
  EXPECT_EQ(read(a, "h.charged"), "0\n");
  EXPECT_EQ(counting(*top->state(Late::kSubsystem)).members, 2);
  EXPECT_EQ(move(a, {child}), 0);
  EXPECT_EQ(read(a, "h.charged"), "1\n");
  groups->release(*zombie);
  EXPECT_EQ(read(top, "h.charged"), "1\n");
  EXPECT_EQ(groups->add_subsystem(Late::kSubsystem).error_code(), EEXIST);
  {
    ReadSection section;
    EXPECT_EQ(groups->state(*child, Late::kSubsystem, section), a->state(Late::kSubsystem));
  }
}

TEST_F(AddSubsystemTest, AFailureLeavesNoTrace) {
  const Ref<Task> child = spawn(init);
  const GroupRef a = make(top, "a");
  const int states = live_states;
  // Two creations and two tasks to be charged for.
  for (int call = 1; call <= 4; ++call) {
    failure.arm(call);
    EXPECT_EQ(groups->add_subsystem(Late::kSubsystem).error_code(), Failure::kError);
    EXPECT_EQ(groups->find_subsystem("s_h"), nullptr);
    EXPECT_EQ(a->state(Late::kSubsystem), nullptr);
    EXPECT_EQ(groups->file_mode(*top, "h.charged"), std::nullopt);
  }
  failure = {};
  EXPECT_TRUE(groups->add_subsystem(Late::kSubsystem));
  EXPECT_EQ(read(top, "h.charged"), "2\n");
  EXPECT_GE(live_states, states + 2);
}

TEST_F(AddSubsystemTest, NotWhileTasksAreElsewhere) {
  const GroupRef a = make(top, "a");
  ASSERT_EQ(move(a, {init}), 0);
  EXPECT_EQ(groups->add_subsystem(Late::kSubsystem).error_code(), EBUSY);
  ASSERT_EQ(move(top, {init}), 0);
  Result<ForkMembership> in_flight = groups->begin_fork(*init);
  EXPECT_EQ(groups->add_subsystem(Late::kSubsystem).error_code(), EBUSY);
  *in_flight = {};
  EXPECT_TRUE(groups->add_subsystem(Late::kSubsystem));
}

}  // namespace
}  // namespace warren::testing
