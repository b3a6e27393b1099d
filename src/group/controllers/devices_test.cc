#include "group/controllers/controller_test.h"
#include "warren/device_access.h"

namespace warren {
namespace {

class Devices : public testing::ControllerTest {
 protected:
  bool allowed(Group& group, bool block, unsigned major, unsigned minor, unsigned access) {
    return device_allowed(*group.state(devices_subsystem()), block, major, minor, access);
  }
  std::string list(Group& group) { return read(group, "devices.list"); }
};

constexpr unsigned kReadWrite = kDeviceRead | kDeviceWrite;

TEST_F(Devices, NothingIsDeniedAtFirst) {
  Group& a = make("a");
  EXPECT_FALSE(devices_restricted());
  EXPECT_EQ(list(a), "a *:* rwm\n");
  EXPECT_EQ(read(a, "devices.allow"), "errno " + std::to_string(EACCES));
  EXPECT_EQ(write(a, "devices.list", "a"), EACCES);
  EXPECT_TRUE(allowed(a, true, 8, 0, kReadWrite | kDeviceMake));
}

TEST_F(Devices, TheHintFollowsTheRules) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "devices.deny", "c 1:3 w"), 0);
  EXPECT_TRUE(devices_restricted());
  EXPECT_EQ(host.take(), std::vector<std::string>{"watch_devices"});
  EXPECT_FALSE(allowed(a, false, 1, 3, kReadWrite));
  EXPECT_TRUE(allowed(a, false, 1, 3, kDeviceRead));
  EXPECT_TRUE(allowed(root_group(), false, 1, 3, kReadWrite));
  EXPECT_EQ(write(a, "devices.allow", "c 1:3 w"), 0);
  EXPECT_FALSE(devices_restricted());
  EXPECT_TRUE(allowed(a, false, 1, 3, kReadWrite));
}

TEST_F(Devices, OnlyWhatIsNamed) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "devices.deny", "a"), 0);
  EXPECT_EQ(list(a), "");
  EXPECT_EQ(write(a, "devices.allow", "c 1:3 rwm"), 0);
  EXPECT_EQ(write(a, "devices.allow", "c 1:* r"), 0);
  EXPECT_EQ(list(a), "c 1:3 rwm\nc 1:* r\n");
  Group& b = make("a/b");
  EXPECT_EQ(list(b), "c 1:3 rwm\nc 1:* r\n");
  EXPECT_TRUE(allowed(b, false, 1, 3, kReadWrite));
  EXPECT_FALSE(allowed(b, false, 1, 5, kReadWrite));
  EXPECT_EQ(write(b, "devices.allow", "c 1:5 w"), EPERM);
  EXPECT_EQ(write(b, "devices.allow", "c 1:5 r"), 0);
  EXPECT_EQ(write(b, "devices.allow", "a"), EPERM);
  EXPECT_EQ(write(a, "devices.allow", "a"), EINVAL);  // it has a child
  EXPECT_EQ(write(a, "devices.deny", "a"), EINVAL);
  EXPECT_EQ(write(a, "devices.deny", "c 1:* r"), 0);
  EXPECT_EQ(list(b), "c 1:3 rwm\n");
}

TEST_F(Devices, ADenialReachesAllBelow) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& c = make("a/b/c");
  EXPECT_EQ(write(c, "devices.deny", "a"), 0);
  EXPECT_EQ(write(c, "devices.allow", "b 8:0 rw"), 0);
  EXPECT_EQ(write(a, "devices.deny", "b 8:* w"), 0);
  EXPECT_FALSE(allowed(b, true, 8, 0, kDeviceWrite));
  EXPECT_EQ(list(c), "");  // more than its parent has now
  EXPECT_EQ(write(b, "devices.allow", "b 8:* w"), EPERM);
  EXPECT_EQ(write(c, "devices.allow", "b 8:0 r"), 0);
}

TEST_F(Devices, RulesGoWithTheirGroup) {
  {
    const GroupRef a(&make("a"));
    EXPECT_EQ(write(*a, "devices.deny", "a"), 0);
    EXPECT_TRUE(groups->remove(*a));
    EXPECT_FALSE(allowed(*a, false, 1, 3, kDeviceRead));
  }
  while (!living.empty()) end(Ref<Task>(living.back()));
  default_root = {};
  groups.reset();
  EXPECT_FALSE(devices_restricted());
}

}  // namespace
}  // namespace warren
