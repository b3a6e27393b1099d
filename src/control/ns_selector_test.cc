#include "control/ns_selector.h"

#include <gtest/gtest.h>

#include "control/native_handler_for_test.h"

namespace warren::control {
namespace {

TEST(NsSelector, SplitsAtTheFirstColon) {
  EXPECT_EQ(split_target("web").name, "web");
  EXPECT_EQ(split_target("web").ns, "");
  EXPECT_EQ(split_target("web:2").ns, "2");
  EXPECT_EQ(split_target(":a:b").name, "");
  EXPECT_EQ(split_target(":a:b").ns, "a:b");
}

TEST(NsSelector, AcceptsWhatNsPrints) {
  ContainerInfo info = sample_container();
  EXPECT_EQ(*resolve_selector(info, ""), 5001u);
  EXPECT_EQ(*resolve_selector(info, "5002"), 5002u);
  EXPECT_EQ(*resolve_selector(info, "1"), 5001u);
  EXPECT_EQ(*resolve_selector(info, "2"), 5002u);
  EXPECT_EQ(*resolve_selector(info, "/"), 5001u);
  EXPECT_EQ(*resolve_selector(info, "/9"), 5002u);
  EXPECT_EQ(*resolve_selector(info, "/9/"), 5002u);
  EXPECT_EQ(*resolve_selector(info, "deep"), 5002u);
}

TEST(NsSelector, RefusesWhatIsNotThere) {
  ContainerInfo info = sample_container();
  EXPECT_EQ(resolve_selector(info, "3").error_code(), ESRCH);
  EXPECT_EQ(resolve_selector(info, "/5").error_code(), ESRCH);
  EXPECT_EQ(resolve_selector(info, "/9/1").error_code(), ESRCH);
  EXPECT_EQ(resolve_selector(info, "/x").error_code(), EINVAL);
  EXPECT_EQ(resolve_selector(info, "99999999999999999999999").error_code(), ESRCH);
  EXPECT_EQ(resolve_selector(ContainerInfo(), "").error_code(), ESRCH);
}

TEST(NsSelector, SaysWhenSeveralMatch) {
  ContainerInfo info = sample_container();
  info.namespaces.push_back({5003, 2, 5001, 0, 0, true, "deep"});
  EXPECT_EQ(resolve_selector(info, "2").error_code(), ENOTUNIQ);
  EXPECT_EQ(resolve_selector(info, "deep").error_code(), ENOTUNIQ);
  EXPECT_EQ(*resolve_selector(info, "5003"), 5003u);
}

}  // namespace
}  // namespace warren::control
