#include "control/runtime_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "control/container_name.h"

namespace warren::control {
namespace {

class RuntimeDirTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "warren-test-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  RuntimeDir open_dir() {
    auto dir = RuntimeDir::open_at(path_, false);
    EXPECT_TRUE(dir);
    return std::move(dir).value();
  }
  bool exists(const std::string& file) { return std::filesystem::exists(path_ + "/" + file); }

  std::string path_;
};

TEST_F(RuntimeDirTest, ClaimsListsAndRemoves) {
  RuntimeDir dir = open_dir();
  {
    auto socket = dir.claim("web");
    ASSERT_TRUE(socket);
    EXPECT_EQ(socket->name(), "web");
    struct stat info;
    ASSERT_EQ(stat(socket->path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    EXPECT_EQ(*dir.list(), std::vector<std::string>({"web"}));
    EXPECT_EQ(dir.claim("web").error_code(), EEXIST);
    EXPECT_TRUE(connect_socket(socket->path()));
  }
  EXPECT_FALSE(exists("web.sock"));
  EXPECT_FALSE(exists("web.lock"));
  EXPECT_TRUE(dir.list()->empty());
  EXPECT_TRUE(dir.claim("web"));
}

TEST_F(RuntimeDirTest, RefusesBadNames) {
  RuntimeDir dir = open_dir();
  for (const char* name : {"", ".", ".x", "a/b", "a:b", "-x", "a b", "\xc3\xa4"}) {
    EXPECT_EQ(dir.claim(name).error_code(), EINVAL) << name;
  }
  EXPECT_TRUE(valid_container_name(std::string(64, 'a')));
  EXPECT_FALSE(valid_container_name(std::string(65, 'a')));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(valid_container_name(random_container_name()));
}

TEST_F(RuntimeDirTest, ForgetsTheDead) {
  pid_t child = fork();
  if (child == 0) {
    auto socket = open_dir().claim("dead");
    _exit(socket ? 0 : 1);  // without destructors, as when killed
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(exists("dead.sock"));
  RuntimeDir dir = open_dir();
  EXPECT_TRUE(dir.list()->empty());
  EXPECT_FALSE(exists("dead.sock"));
  EXPECT_FALSE(exists("dead.lock"));
}

TEST_F(RuntimeDirTest, ANameOfTheDeadIsFree) {
  pid_t child = fork();
  if (child == 0) _exit(open_dir().claim("again") ? 0 : 1);
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(open_dir().claim("again"));
}

TEST_F(RuntimeDirTest, OnlyOneOfManyGetsAName) {
  constexpr int kThreads = 8, kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<int> winners = 0;
    std::vector<ContainerSocket> sockets(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        auto dir = RuntimeDir::open_at(path_, false);
        ASSERT_TRUE(dir->list());
        auto socket = dir->claim("one");
        if (socket) {
          ++winners;
          sockets[static_cast<size_t>(i)] = std::move(*socket);
        } else {
          EXPECT_EQ(socket.error_code(), EEXIST);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(winners, 1);
  }
}

TEST_F(RuntimeDirTest, RefusesDirectoriesOfOthers) {
  chmod(path_.c_str(), 0755);
  EXPECT_EQ(RuntimeDir::open_at(path_, true).error_code(), EPERM);
  chmod(path_.c_str(), 0700);
  std::string link = path_ + "/link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  int error = RuntimeDir::open_at(link, true).error_code();
  EXPECT_TRUE(error == ELOOP || error == ENOTDIR) << error;
  std::string file = path_ + "/file";
  close(open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_EQ(RuntimeDir::open_at(file, true).error_code(), ENOTDIR);
  EXPECT_EQ(RuntimeDir::open_at(path_ + "/none", false).error_code(), ENOENT);
  auto made = RuntimeDir::open_at(path_ + "/none", true);
  EXPECT_TRUE(made);
}

TEST_F(RuntimeDirTest, ReachesSocketsWithLongPaths) {
  std::string deep = path_ + "/" + std::string(120, 'd');
  auto dir = RuntimeDir::open_at(deep, true);
  ASSERT_TRUE(dir);
  auto socket = dir->claim("far");
  ASSERT_TRUE(socket) << socket.error_code();
  EXPECT_TRUE(connect_socket(socket->path()));
}

}  // namespace
}  // namespace warren::control
