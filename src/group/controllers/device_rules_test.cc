#include "group/controllers/device_rules.h"

#include <gtest/gtest.h>

#include "warren/device_access.h"

namespace warren::group {
namespace {

DeviceException exception(std::string_view text) {
  return DeviceRequest::parse(text).value().exception;
}

TEST(DeviceRequest, Reads) {
  EXPECT_TRUE(DeviceRequest::parse("a")->everything);
  EXPECT_TRUE(DeviceRequest::parse("a *:* rwm")->everything);
  const DeviceException null = exception("c 1:3 rwm");
  EXPECT_FALSE(null.block);
  EXPECT_EQ(null.major, 1u);
  EXPECT_EQ(null.minor, 3u);
  EXPECT_EQ(null.access, kDeviceRead | kDeviceWrite | kDeviceMake);
  const DeviceException disks = exception("b *:* m");
  EXPECT_TRUE(disks.block);
  EXPECT_EQ(disks.major, kAnyNumber);
  EXPECT_EQ(disks.minor, kAnyNumber);
  EXPECT_EQ(disks.access, kDeviceMake);
}

TEST(DeviceRequest, RefusesTheRest) {
  for (const char* text : {"", "x", "c", "c1:3 r", "c 1", "c 1: r", "c :3 r", "c 1:3", "c 1:3 x",
                           "c 1:3 rx", "c -1:3 r", "c 1:3r", "c 4294967296:0 r", "c  1:3 r"}) {
    EXPECT_EQ(DeviceRequest::parse(text).error_code(), EINVAL) << text;
  }
}

TEST(DeviceRules, ExceptionsToAllowing) {
  DeviceRules rules;
  EXPECT_TRUE(rules.trivial());
  EXPECT_TRUE(rules.allows(false, 1, 3, kDeviceRead | kDeviceWrite));
  rules.deny(exception("c 1:3 w"));
  EXPECT_TRUE(rules.allows(false, 1, 3, kDeviceRead));
  EXPECT_FALSE(rules.allows(false, 1, 3, kDeviceRead | kDeviceWrite));
  EXPECT_TRUE(rules.allows(true, 1, 3, kDeviceWrite));
  EXPECT_TRUE(rules.allows(false, 1, 5, kDeviceWrite));
  EXPECT_EQ(rules.text(), "a *:* rwm\n");
  EXPECT_TRUE(rules.allow(exception("c 1:3 w"), nullptr));
  EXPECT_TRUE(rules.trivial());
}

TEST(DeviceRules, ExceptionsToDenying) {
  DeviceRules rules;
  rules.reset(false);
  EXPECT_EQ(rules.text(), "");
  EXPECT_TRUE(rules.allow(exception("c 1:* r"), nullptr));
  EXPECT_TRUE(rules.allow(exception("c 1:* w"), nullptr));
  EXPECT_TRUE(rules.allow(exception("b *:* m"), nullptr));
  EXPECT_EQ(rules.text(), "c 1:* rw\nb *:* m\n");
  EXPECT_TRUE(rules.allows(false, 1, 9, kDeviceRead | kDeviceWrite));
  EXPECT_FALSE(rules.allows(false, 1, 9, kDeviceRead | kDeviceMake));
  EXPECT_FALSE(rules.allows(false, 2, 9, kDeviceRead));
  rules.deny(exception("c 1:* w"));
  EXPECT_EQ(rules.text(), "c 1:* r\nb *:* m\n");
}

TEST(DeviceRules, AChildHasNoMoreThanItsParent) {
  DeviceRules parent;
  parent.deny(exception("c 1:3 w"));
  DeviceRules child = parent;
  EXPECT_EQ(child.allow(exception("c 1:3 w"), &parent).error_code(), EPERM);
  EXPECT_EQ(child.allow(exception("c *:3 rw"), &parent).error_code(), EPERM);
  EXPECT_TRUE(child.allow(exception("c 1:5 rw"), &parent));
  child.reset(false);
  EXPECT_EQ(child.allow(exception("c 1:3 rw"), &parent).error_code(), EPERM);
  EXPECT_TRUE(child.allow(exception("c 1:3 r"), &parent));
  EXPECT_EQ(child.text(), "c 1:3 r\n");
}

TEST(DeviceRules, WhatAParentLosesItsChildrenLose) {
  DeviceRules parent;
  parent.reset(false);
  EXPECT_TRUE(parent.allow(exception("c 1:3 rw"), nullptr));
  EXPECT_TRUE(parent.allow(exception("c 1:5 rw"), nullptr));
  DeviceRules child = parent;
  EXPECT_TRUE(child.allow(exception("c 1:5 r"), &parent));
  parent.deny(exception("c 1:3 w"));
  child.follow_denial(exception("c 1:3 w"), parent, parent);
  EXPECT_EQ(child.text(), "c 1:3 r\nc 1:5 rw\n");

  DeviceRules open;
  DeviceRules below = open;
  open.deny(exception("b 8:0 rw"));
  below.follow_denial(exception("b 8:0 rw"), open, open);
  EXPECT_FALSE(below.allows(true, 8, 0, kDeviceRead));
}

}  // namespace
}  // namespace warren::group
