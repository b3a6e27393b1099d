#include "control/view.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "control/native_handler_for_test.h"

namespace warren::control {
namespace {

TEST(View, RootSeesItsOwnNumbersOnly) {
  auto view = restrict_view(sample_container(), 5001);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->view_level, 1);
  EXPECT_EQ(view->backend, "ptrace");
  EXPECT_EQ(view->supervisor_pid, 0);
  ASSERT_EQ(view->tasks.size(), 3u);
  EXPECT_EQ(view->tasks[0].nrs, std::vector<int>({1}));
  EXPECT_EQ(view->tasks[0].parent_level0, 0);
  EXPECT_EQ(view->tasks[0].sid0, 1);
  EXPECT_EQ(view->tasks[2].nrs, std::vector<int>({9, 1}));
  EXPECT_EQ(view->tasks[2].parent_level0, 5);
  EXPECT_EQ(view->namespaces[1].init_level0, 9);
  EXPECT_EQ(view->namespaces[0].parent_inode, 0u);
}

TEST(View, ChildSeesNothingAbove) {
  auto view = restrict_view(sample_container(), 5002);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->view_level, 2);
  ASSERT_EQ(view->tasks.size(), 1u);
  EXPECT_EQ(view->tasks[0].nrs, std::vector<int>({1}));
  EXPECT_EQ(view->tasks[0].parent_level0, 0);
  EXPECT_EQ(view->tasks[0].sid0, 0);
  ASSERT_EQ(view->namespaces.size(), 1u);
  EXPECT_EQ(view->namespaces[0].parent_inode, 0u);
  EXPECT_EQ(restrict_view(sample_container(), 1).error_code(), ESRCH);
}

TEST(View, JsonGoesThereAndBack) {
  ContainerInfo info = sample_container();
  auto back = container_from_json(nlohmann::json::parse(to_json(info).dump()));
  ASSERT_TRUE(back);
  EXPECT_EQ(to_json(*back), to_json(info));
  EXPECT_EQ(container_from_json({{"name", 3}}).error_code(), EPROTO);
  EXPECT_EQ(container_from_json(nlohmann::json::array()).error_code(), EPROTO);
}

TEST(View, ReadsTheHostsProc) {
  ContainerInfo info;
  info.tasks.resize(2);
  info.tasks[0].nrs = {getpid(), 1};
  info.tasks[1].nrs = {INT32_MAX, 2};  // no such process: dropped
  fill_from_proc(info);
  ASSERT_EQ(info.tasks.size(), 1u);
  EXPECT_EQ(info.tasks[0].state, "R");
  EXPECT_EQ(info.tasks[0].pgid0, getpgrp());
  EXPECT_EQ(info.tasks[0].sid0, getsid(0));
  EXPECT_EQ(info.tasks[0].threads, 1);
  EXPECT_NE(info.tasks[0].cmdline, "");
}

}  // namespace
}  // namespace warren::control
