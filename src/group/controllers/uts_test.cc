#include "group/controllers/controller_test.h"
#include "warren/uts_names.h"

namespace warren {
namespace {

constexpr std::uint64_t kCloneNewUts = 0x04000000;

class Uts : public testing::ControllerTest {
 protected:
  std::string nodename(Group& group) { return read(group, "uts.nodename"); }
};

TEST_F(Uts, TheHostsNamesUntilOthersAreSet) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  EXPECT_FALSE(uts_names_in_use());
  EXPECT_EQ(nodename(a), "host\n");
  EXPECT_EQ(read(a, "uts.domainname"), "example.org\n");
  EXPECT_EQ(uts_names(*groups, *task).nodename, std::nullopt);
  EXPECT_EQ(write(a, "uts.nodename", "box"), 0);
  EXPECT_TRUE(uts_names_in_use());
  EXPECT_EQ(nodename(a), "box\n");
  EXPECT_EQ(uts_names(*groups, *task).nodename, "box");
  EXPECT_EQ(uts_names(*groups, *task).domainname, std::nullopt);
  EXPECT_EQ(uts_names(*groups, *init).nodename, std::nullopt);
  EXPECT_EQ(nodename(root_group()), "host\n");
}

TEST_F(Uts, AreCopiedToNewGroups) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "uts.nodename", "box"), 0);
  Group& b = make("a/b");
  EXPECT_EQ(nodename(b), "box\n");
  EXPECT_EQ(write(a, "uts.nodename", "other"), 0);
  EXPECT_EQ(nodename(b), "box\n");
  EXPECT_EQ(write(b, "uts.domainname", "inner"), 0);
  EXPECT_EQ(read(a, "uts.domainname"), "example.org\n");
}

TEST_F(Uts, NamesHaveALimit) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "uts.nodename", std::string(64, 'x')), 0);
  EXPECT_EQ(write(a, "uts.nodename", std::string(65, 'y')), EINVAL);
  EXPECT_EQ(write(a, "uts.nodename", "two\nlines"), EINVAL);
  EXPECT_EQ(nodename(a), std::string(64, 'x') + "\n");
  EXPECT_EQ(write(a, "uts.nodename", ""), 0);
  EXPECT_EQ(nodename(a), "\n");
}

TEST_F(Uts, ATaskSetsThoseOfItsGroup) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  EXPECT_TRUE(set_uts_nodename(*groups, *task, std::string_view("na\0me", 5)));
  EXPECT_EQ(nodename(a), "na\n");
  EXPECT_TRUE(set_uts_domainname(*groups, *task, "domain"));
  EXPECT_EQ(read(a, "uts.domainname"), "domain\n");
  EXPECT_EQ(set_uts_nodename(*groups, *task, std::string(65, 'x')).error_code(), EINVAL);
  const Ref<Task> outsider = fork(init);
  EXPECT_EQ(set_uts_nodename(*groups, *outsider, "x").error_code(), EPERM);
  EXPECT_EQ(uts_names(*groups, *outsider).nodename, std::nullopt);
  die(outsider);
}

TEST_F(Uts, UnshareBeginsAGroupWithTheSameNames) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "uts.nodename", "box"), 0);
  const Ref<Task> task = child_in(a);
  EXPECT_TRUE(groups->unshare(*task, kCloneNewUts, "inner"));
  EXPECT_EQ(uts_names(*groups, *task).nodename, "box");
  EXPECT_TRUE(set_uts_nodename(*groups, *task, "mine"));
  EXPECT_EQ(nodename(at("a/inner")), "mine\n");
  EXPECT_EQ(nodename(a), "box\n");
}

TEST_F(Uts, InUseEndsWithTheLastGroup) {
  EXPECT_FALSE(uts_names_in_use());
  EXPECT_EQ(write(root_group(), "uts.nodename", "x"), 0);
  EXPECT_TRUE(uts_names_in_use());
  while (!living.empty()) end(Ref<Task>(living.back()));
  default_root = GroupRef();
  groups.reset();
  EXPECT_FALSE(uts_names_in_use());
}

}  // namespace
}  // namespace warren
