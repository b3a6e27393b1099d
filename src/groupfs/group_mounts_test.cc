// The file system as the kernel shows it: real mounts, of groups whose tasks are made up but for
// one.
#include "groupfs/group_mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "groupfs/file_table.h"
#include "groupfs/fusermount.h"

namespace warren {
namespace {

constexpr uid_t kOther = 65534;

// A subsystem with one file of each kind.
struct SampleState : SubsystemState {
  std::mutex mutex;
  std::condition_variable changed;
  int value = 0;
  bool gate = false;  // open: who writes sample.wait goes on
};

// Posted, unless null, when somebody has begun to write sample.wait. A semaphore, since descriptors
// of the process are not those of the threads that serve.
sem_t* wait_begun = nullptr;

SampleState& sample(SubsystemState& state) { return static_cast<SampleState&>(state); }

Result<std::string> read_value(SubsystemState& state, const GroupCaller&) {
  const std::lock_guard lock(sample(state).mutex);
  return std::to_string(sample(state).value) + "\n";
}

Result<void> write_value(SubsystemState& state, std::string_view text, const GroupCaller&) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return Errno{ERANGE};
  if (error != std::errc() || end != text.data() + text.size()) return Errno{EINVAL};
  {
    const std::lock_guard lock(sample(state).mutex);
    sample(state).value = value;
  }
  state.groups().file_changed(state.group(), "sample.value");
  return {};
}

Result<std::string> read_long(SubsystemState&, const GroupCaller&) {
  static std::atomic<int> nth{0};
  return std::string(300000, static_cast<char>('a' + nth++ % 26)) + "\n";
}

Result<std::string> read_uid(SubsystemState&, const GroupCaller& caller) {
  return std::to_string(caller.uid) + "\n";
}

Result<void> write_wait(SubsystemState& state, std::string_view, const GroupCaller&) {
  if (wait_begun != nullptr) sem_post(wait_begun);
  std::unique_lock lock(sample(state).mutex);
  sample(state).changed.wait(lock, [&] { return sample(state).gate; });
  return {};
}

Result<void> write_gate(SubsystemState& state, std::string_view, const GroupCaller&) {
  {
    const std::lock_guard lock(sample(state).mutex);
    sample(state).gate = true;
  }
  sample(state).changed.notify_all();
  return {};
}

constexpr GroupFile kFiles[] = {
    {"sample.value", GroupFile::kPollable, read_value, write_value},
    {"sample.long", 0, read_long, nullptr},
    {"sample.uid", 0, read_uid, nullptr},
    {"sample.wait", 0, nullptr, write_wait},
    {"sample.gate", 0, nullptr, write_gate},
};
Result<std::unique_ptr<SubsystemState>> create_sample(Groups&, GroupHost&, SubsystemState*) {
  return std::unique_ptr<SubsystemState>(std::make_unique<SampleState>());
}
constexpr Subsystem kSample{.name = "sample", .create = create_sample, .files = kFiles};
constexpr Subsystem kOtherSubsystem{.name = "other", .create = create_sample};
const Subsystem* const kSubsystems[] = {&kOtherSubsystem, &kSample};

// 0, or the errno of a call that gives -1.
int error_of(int result) { return result < 0 ? errno : 0; }

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int write_text(const std::string& path, std::string_view text, int flags = O_WRONLY | O_TRUNC) {
  const UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) return errno;
  return error_of(static_cast<int>(write(fd.get(), text.data(), text.size())));
}

// What `f` returns in a child process.
int in_child(const std::function<int()>& f) {
  const pid_t child = fork();
  if (child == 0) _exit(f());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  return WEXITSTATUS(status);
}

// A process with a mount namespace of its own, until its end.
class Elsewhere {
 public:
  Elsewhere() {
    int ready[2], end[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC) | pipe2(end, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(end[1]);
      if (unshare(CLONE_NEWNS) != 0 || ::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0) {
        _exit(1);
      }
      char byte = 0;
      (void)!write(ready[1], &byte, 1);
      (void)!read(end[0], &byte, 1);
      _exit(0);
    }
    close(ready[1]);
    close(end[0]);
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    end_ = end[1];
  }
  ~Elsewhere() {
    close(end_);
    kill(pid_, SIGKILL);  // others made after it hold the pipe, too
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  std::string root() const { return "/proc/" + std::to_string(pid_) + "/root"; }

 private:
  pid_t pid_ = 0;
  int end_ = -1;
};

class GroupMountsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) {
      GTEST_SKIP() << "SKIPPED: mounting is tested as root only";
    }
    if (!UniqueFd(open("/dev/fuse", O_RDWR | O_CLOEXEC))) {
      GTEST_SKIP() << "SKIPPED: no /dev/fuse: " << std::strerror(errno);
    }
    // Whoever makes a mount namespace has copies of all mounts in it, and keeps what is unmounted
    // here; so ours are in a namespace of their own. Root of a container may lack the right to
    // that.
    if (const int error = error_of(unshare(CLONE_NEWNS))) {
      GTEST_SKIP() << "SKIPPED: no mounts may be made here: " << std::strerror(error);
    }
    ASSERT_EQ(::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    KernelOptions options;
    options.pin_level0 = true;
    kernel_ = std::move(*Kernel::create(options));
    groups_ = std::move(*Groups::create(*kernel_, host_, kSubsystems));
    adopt(getpid());
    mounts_ = std::move(*GroupMounts::create(*groups_, [this](pid_t host, uid_t uid, gid_t gid) {
      GroupCaller caller;
      caller.uid = uid;
      caller.gid = gid;
      caller.task = kernel_->find_task(kernel_->root(), host);
      return caller;
    }));
    char name[] = "/tmp/rcfs_test.XXXXXX";
    base_ = mkdtemp(name);
    chmod(base_.c_str(), 0755);
    dir_ = base_ + "/m";
    mkdir(dir_.c_str(), 0755);
  }

  void TearDown() override {
    if (base_.empty()) return;
    end_own();
    std::error_code ignored;
    std::filesystem::remove_all(base_, ignored);
  }

  // Before a fork whose child is to do more than exec: threads that are in the midst of something
  // never come to its end there.
  void end_own() {
    mounts_.reset();
    for (const Ref<Task>& task : tasks_) {
      groups_->exit(*task);
      kernel_->exit_task(*task, 0);
      groups_->release(*task);
      kernel_->reap(task->group());
    }
    tasks_.clear();
    groups_.reset();
    kernel_.reset();
  }

  void adopt(pid_t pid) {
    AdoptArgs args;
    args.level0 = pid;
    auto task = kernel_->adopt(kernel_->root(), args);
    ASSERT_TRUE(task) << task.error_code();
    ASSERT_TRUE(groups_->adopt(**task));
    tasks_.push_back(std::move(*task));
  }
  void mount(std::string_view options = "") {
    std::string reason;
    const auto mounted = mounts_->mount(dir_, options, {}, &reason);
    ASSERT_TRUE(mounted) << std::strerror(mounted.error_code()) << "; " << reason;
  }
  std::string at(const std::string& path) const { return dir_ + "/" + path; }
  bool mounted() const {
    struct statfs fs {};
    return statfs(dir_.c_str(), &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
  }
  // Waits until no mount is left, as after one that went behind the back of mounts_.
  void wait_until_forgotten() {
    while (!mounts_->list().empty()) std::this_thread::yield();
  }

  std::unique_ptr<Kernel> kernel_;
  GroupHost host_;
  std::unique_ptr<Groups> groups_;
  std::unique_ptr<GroupMounts> mounts_;
  std::vector<Ref<Task>> tasks_;
  std::string base_, dir_;
};

TEST_F(GroupMountsTest, MountsAndUnmounts) {
  mount();
  EXPECT_TRUE(mounted());
  const auto list = mounts_->list();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].dir, dir_);
  EXPECT_EQ(list[0].type, "rcfs");
  EXPECT_EQ(list[0].options, "rw,nosuid,nodev,noexec,relatime,other,sample");
  EXPECT_EQ(list[0].hierarchy, 0);
  struct stat st {};
  ASSERT_EQ(stat(dir_.c_str(), &st), 0);
  EXPECT_EQ(list[0].device, st.st_dev);
  EXPECT_NE(content("/proc/mounts").find("rcfs " + dir_ + " fuse.rcfs rw,"), std::string::npos);
  EXPECT_TRUE(mounts_->unmount(dir_));
  EXPECT_FALSE(mounted());
  EXPECT_TRUE(mounts_->list().empty());
  EXPECT_EQ(mounts_->unmount(dir_).error_code(), EINVAL);
}

TEST_F(GroupMountsTest, RefusesWhatItCannotMount) {
  std::string reason;
  EXPECT_EQ(mounts_->mount("relative", "").error_code(), EINVAL);
  EXPECT_EQ(mounts_->mount(dir_, "none").error_code(), EINVAL);
  EXPECT_EQ(mounts_->mount(dir_, "nosuch").error_code(), ENOENT);
  EXPECT_EQ(mounts_->mount(base_ + "/nosuch", "", {}, &reason).error_code(), ENOENT);
  std::ofstream(base_ + "/file").put('x');
  EXPECT_EQ(mounts_->mount(base_ + "/file", "").error_code(), ENOTDIR);
  EXPECT_TRUE(mounts_->list().empty());
  // Nothing stays mounted in Groups either: the subsystem is free.
  EXPECT_EQ(mounts_->mount(base_ + "/nosuch", "sample").error_code(), ENOENT);
  EXPECT_EQ(groups_->hierarchies().size(), 1u);
}

TEST_F(GroupMountsTest, SeveralHierarchies) {
  mount("sample");
  const std::string second = base_ + "/n", third = base_ + "/o";
  ASSERT_EQ(mkdir(second.c_str(), 0755), 0);
  ASSERT_EQ(mkdir(third.c_str(), 0755), 0);
  ASSERT_TRUE(mounts_->mount(second, "none,name=n1"));
  ASSERT_TRUE(mounts_->mount(third, "sample"));
  EXPECT_EQ(mounts_->mount(dir_, "sample,other").error_code(), EBUSY);
  const auto list = mounts_->list();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].options, "rw,nosuid,nodev,noexec,relatime,sample");
  EXPECT_EQ(list[1].options, "rw,nosuid,nodev,noexec,relatime,name=n1");
  EXPECT_EQ(list[0].hierarchy, list[2].hierarchy);
  EXPECT_EQ(access((second + "/sample.value").c_str(), F_OK), -1);
  // What one mount does the other shows, with the same inode numbers.
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  struct stat one {
  }, other{};
  ASSERT_EQ(stat(at("a/sample.value").c_str(), &one), 0);
  ASSERT_EQ(stat((third + "/a/sample.value").c_str(), &other), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
  EXPECT_NE(one.st_dev, other.st_dev);
  ASSERT_EQ(rmdir((third + "/a").c_str()), 0);
  EXPECT_EQ(error_of(stat(at("a").c_str(), &one)), ENOENT);
}

TEST_F(GroupMountsTest, DirectoriesAndTheirLinks) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  ASSERT_EQ(mkdir(at("a/b").c_str(), 0700), 0);
  ASSERT_EQ(mkdir(at("a/c").c_str(), 0755), 0);
  struct stat st {};
  ASSERT_EQ(stat(at("a").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 4u);
  EXPECT_TRUE(S_ISDIR(st.st_mode));
  ASSERT_EQ(stat(at("a/b").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 2u);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(at("a"))) {
    names.insert(entry.path().filename());
    struct stat by_name {};
    ASSERT_EQ(stat(entry.path().c_str(), &by_name), 0);
    EXPECT_EQ(S_ISDIR(by_name.st_mode), entry.is_directory());
  }
  for (const char* name : {"b", "c", "tasks", "cgroup.procs", "cgroup.events", "sample.value"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  // The same number from readdir(3) as from stat(2).
  DIR* dir = opendir(at("a").c_str());
  while (const dirent* entry = readdir(dir)) {
    if (strcmp(entry->d_name, "..") == 0) continue;
    ASSERT_EQ(fstatat(dirfd(dir), entry->d_name, &st, 0), 0);
    EXPECT_EQ(st.st_ino, entry->d_ino) << entry->d_name;
  }
  // A group made after the list was begun is in the next one.
  ASSERT_TRUE(groups_->make(*groups_->find(*groups_->default_root(), "a"), "d", {}));
  rewinddir(dir);
  bool found = false;
  while (const dirent* entry = readdir(dir)) found |= strcmp(entry->d_name, "d") == 0;
  EXPECT_TRUE(found);
  closedir(dir);
}

TEST_F(GroupMountsTest, ManyGroupsInOneDirectory) {
  mount();
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(groups_->make(*groups_->default_root(), "group" + std::to_string(i), {}));
  }
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
    count += entry.is_directory();
  }
  EXPECT_EQ(count, 2000);
}

// What cgroup v1 answers, by and large: see docs/groups.md.
TEST_F(GroupMountsTest, ErrorsOfNames) {
  mount();
  const auto mkdir_error = [&](const std::string& name) {
    return error_of(mkdir(at(name).c_str(), 0755));
  };
  const auto rename_error = [&](const char* from, const char* to) {
    return error_of(rename(at(from).c_str(), at(to).c_str()));
  };
  EXPECT_EQ(mkdir_error("a"), 0);
  EXPECT_EQ(mkdir_error("a"), EEXIST);
  EXPECT_EQ(mkdir_error("tasks"), EEXIST);
  EXPECT_EQ(mkdir_error("x\ny"), EINVAL);
  EXPECT_EQ(mkdir_error(std::string(255, 'x')), 0);
  EXPECT_EQ(mkdir_error(std::string(256, 'x')), ENAMETOOLONG);
  EXPECT_EQ(mkdir_error("no/such"), ENOENT);
  EXPECT_EQ(mkdir_error("b"), 0);
  EXPECT_EQ(mkdir_error("a/c"), 0);
  EXPECT_EQ(rename_error("b", "a/b"), EIO);
  EXPECT_EQ(rename_error("b", "a"), EEXIST);
  EXPECT_EQ(rename_error("b", "tasks"), ENOTDIR);
  EXPECT_EQ(rename_error("tasks", "z"), ENOTDIR);
  EXPECT_EQ(rename_error("b", "d"), 0);
  EXPECT_EQ(access(at("d/tasks").c_str(), F_OK), 0);
  EXPECT_EQ(error_of(access(at("b").c_str(), F_OK)), ENOENT);
  EXPECT_EQ(error_of(rmdir(at("a").c_str())), EBUSY);
  EXPECT_EQ(error_of(rmdir(at("tasks").c_str())), ENOTDIR);
  EXPECT_EQ(error_of(rmdir(at("nosuch").c_str())), ENOENT);
  EXPECT_EQ(error_of(unlink(at("tasks").c_str())), EPERM);
  EXPECT_EQ(error_of(symlink("x", at("s").c_str())), EPERM);
  EXPECT_EQ(error_of(link(at("tasks").c_str(), at("l").c_str())), EPERM);
  EXPECT_EQ(error_of(mknod(at("n").c_str(), S_IFREG | 0600, 0)), EACCES);
  EXPECT_EQ(error_of(mkfifo(at("n").c_str(), 0600)), EPERM);
  EXPECT_EQ(error_of(open(at("new").c_str(), O_CREAT | O_WRONLY, 0600)), EACCES);
  EXPECT_EQ(error_of(rmdir(at("a/c").c_str())), 0);
  EXPECT_EQ(error_of(rmdir(at("a").c_str())), 0);
}

TEST_F(GroupMountsTest, WritesAndTheirErrors) {
  mount();
  const std::string value = at("sample.value");
  EXPECT_EQ(write_text(value, "12\n"), 0);
  EXPECT_EQ(content(value), "12\n");
  EXPECT_EQ(write_text(value, " 13 ", O_WRONLY), 0);
  EXPECT_EQ(write_text(value, "14", O_WRONLY | O_APPEND | O_CREAT), 0);
  EXPECT_EQ(content(value), "14\n");
  EXPECT_EQ(write_text(value, "x"), EINVAL);
  EXPECT_EQ(write_text(value, "99999999999"), ERANGE);
  EXPECT_EQ(write_text(value, std::string(4097, '1')), E2BIG);
  EXPECT_EQ(write_text(value, std::string(4096, '1')), ERANGE);
  EXPECT_EQ(content(value), "14\n");
  EXPECT_EQ(write_text(at("sample.long"), "1"), EACCES);
  EXPECT_EQ(error_of(open(at("sample.wait").c_str(), O_RDONLY)), EACCES);
  EXPECT_EQ(write_text(at("tasks"), "99999999"), ESRCH);
  EXPECT_EQ(write_text(at("tasks"), "x"), EINVAL);
  EXPECT_EQ(truncate(value.c_str(), 5), 0);
  EXPECT_EQ(content(value), "14\n");
  struct stat st {};
  ASSERT_EQ(stat(value.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 0);
  EXPECT_EQ(st.st_mode, S_IFREG | 0644u);
}

TEST_F(GroupMountsTest, OneTextForAllPartsOfIt) {
  mount();
  const UniqueFd fd(open(at("sample.long").c_str(), O_RDONLY | O_CLOEXEC));
  constexpr std::size_t kPart = 4000;
  std::string text(300001 + kPart, ' ');
  std::size_t size = 0;
  while (const ssize_t part = read(fd.get(), text.data() + size, kPart)) {
    ASSERT_GT(part, 0) << size << ": " << strerror(errno);
    size += static_cast<std::size_t>(part);
  }
  EXPECT_EQ(size, 300001u);
  EXPECT_EQ(text.find_first_not_of(text[0]), 300000u);
  const char before = text[0];
  ASSERT_EQ(pread(fd.get(), text.data(), 1, 0), 1);
  EXPECT_NE(text[0], before);
}

TEST_F(GroupMountsTest, ZeroIsWhoWrites) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  const std::string self = std::to_string(getpid()) + "\n";
  EXPECT_EQ(content(at("cgroup.procs")), self);
  EXPECT_EQ(write_text(at("a/cgroup.procs"), "0\n"), 0);
  EXPECT_EQ(content(at("a/cgroup.procs")), self);
  EXPECT_EQ(content(at("cgroup.procs")), "");
  EXPECT_EQ(error_of(rmdir(at("a").c_str())), EBUSY);
  // A process that is in no group of the container.
  EXPECT_EQ(in_child([&] { return write_text(at("tasks"), "0"); }), ESRCH);
  EXPECT_EQ(write_text(at("tasks"), self), 0);
  EXPECT_EQ(error_of(rmdir(at("a").c_str())), 0);
}

TEST_F(GroupMountsTest, WhatWasRemovedIsEnodev) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  const UniqueFd dir(open(at("a").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd file(open(at("a/sample.value").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(rmdir(at("a").c_str()), 0);
  char byte;
  EXPECT_EQ(error_of(static_cast<int>(read(file.get(), &byte, 1))), ENODEV);
  EXPECT_EQ(error_of(static_cast<int>(write(file.get(), "1", 1))), ENODEV);
  EXPECT_EQ(error_of(openat(dir.get(), "tasks", O_RDONLY)), ENOENT);
  EXPECT_EQ(error_of(mkdirat(dir.get(), "b", 0755)), ENOENT);
  struct stat st {};
  EXPECT_EQ(fstat(file.get(), &st), 0);
  EXPECT_EQ(fstat(dir.get(), &st), 0);
  DIR* list = fdopendir(dup(dir.get()));
  EXPECT_EQ(readdir(list), nullptr);
  closedir(list);
  // One of the same name is another.
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  EXPECT_EQ(error_of(static_cast<int>(write(file.get(), "1", 1))), ENODEV);
}

// Removed by a command, while the kernel still remembers the name.
TEST_F(GroupMountsTest, RemovedBehindTheKernelsBack) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  EXPECT_EQ(content(at("a/sample.value")), "0\n");
  const GroupRef group = groups_->find(*groups_->default_root(), "a");
  ASSERT_TRUE(groups_->remove(*group));
  EXPECT_EQ(error_of(access(at("a/sample.value").c_str(), F_OK)), ENOENT);
  EXPECT_EQ(mkdir(at("a").c_str(), 0755), 0);
}

int events_of(int fd, int timeout_ms = 0) {
  pollfd polled{fd, POLLPRI, 0};
  return ::poll(&polled, 1, timeout_ms) == 1 ? polled.revents : 0;
}

TEST_F(GroupMountsTest, PollTellsOfChangesSinceTheLastRead) {
  mount();
  const UniqueFd fd(open(at("sample.value").c_str(), O_RDONLY | O_CLOEXEC));
  constexpr int kChanged = POLLPRI | POLLERR;
  char text[16];
  EXPECT_EQ(events_of(fd.get()), kChanged);
  ASSERT_EQ(pread(fd.get(), text, sizeof text, 0), 2);
  EXPECT_EQ(events_of(fd.get()), 0);
  EXPECT_EQ(write_text(at("sample.value"), "5"), 0);
  EXPECT_EQ(events_of(fd.get()), kChanged);
  ASSERT_EQ(pread(fd.get(), text, sizeof text, 0), 2);
  EXPECT_EQ(events_of(fd.get()), 0);
  pollfd readable{fd.get(), POLLIN | POLLOUT, 0};
  EXPECT_EQ(::poll(&readable, 1, 0), 1);
  EXPECT_EQ(readable.revents, POLLIN | POLLOUT);
}

TEST_F(GroupMountsTest, PollWakesWhoWaits) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  const UniqueFd fd(open(at("a/sample.value").c_str(), O_RDONLY | O_CLOEXEC));
  constexpr int kChanged = POLLPRI | POLLERR;
  char text[16];
  for (int i = 0; i < 50; ++i) {
    ASSERT_GT(pread(fd.get(), text, sizeof text, 0), 0);
    std::thread writer([&] { EXPECT_EQ(write_text(at("a/sample.value"), "7"), 0); });
    EXPECT_EQ(events_of(fd.get(), 10000), kChanged);
    writer.join();
  }
  // Its removal is a change, too.
  ASSERT_GT(pread(fd.get(), text, sizeof text, 0), 0);
  std::thread remover([&] { EXPECT_EQ(rmdir(at("a").c_str()), 0); });
  EXPECT_EQ(events_of(fd.get(), 10000), kChanged);
  remover.join();
}

TEST_F(GroupMountsTest, ASubtreeIsHandedOver) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  const auto as_other = [&](const std::function<int()>& f) {
    return in_child([&] {
      if (setgid(kOther) != 0 || setuid(kOther) != 0) return 200;
      return f();
    });
  };
  const auto make_below = [&] { return error_of(mkdir(at("a/b").c_str(), 0755)); };
  EXPECT_EQ(as_other(make_below), EACCES);
  EXPECT_EQ(as_other([&] { return write_text(at("a/sample.value"), "1"); }), EACCES);
  EXPECT_EQ(as_other([&] { return error_of(chown(at("a").c_str(), kOther, kOther)); }), EPERM);
  ASSERT_EQ(chown(at("a").c_str(), kOther, kOther), 0);
  EXPECT_EQ(as_other(make_below), 0);
  EXPECT_EQ(as_other([&] { return write_text(at("a/b/sample.value"), "1"); }), 0);
  // The files of the group itself stay the giver's until he gives them, as in Linux.
  EXPECT_EQ(as_other([&] { return write_text(at("a/sample.value"), "1"); }), EACCES);
  ASSERT_EQ(chown(at("a/sample.value").c_str(), kOther, kOther), 0);
  EXPECT_EQ(as_other([&] { return write_text(at("a/sample.value"), "1"); }), 0);
  EXPECT_EQ(as_other([&] { return error_of(chmod(at("a/sample.value").c_str(), 0600)); }), 0);
  struct stat st {};
  ASSERT_EQ(stat(at("a/sample.value").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode, S_IFREG | 0600u);
  EXPECT_EQ(st.st_uid, kOther);
  ASSERT_EQ(stat(at("a/b/tasks").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, kOther);
  EXPECT_EQ(as_other([&] { return error_of(rmdir(at("a/b").c_str())); }), 0);
  EXPECT_EQ(as_other([&] { return error_of(rmdir(at("a").c_str())); }), EACCES);
  EXPECT_EQ(as_other([&] { return content(at("sample.uid")) == "65534\n" ? 0 : 1; }), 0);
}

TEST_F(GroupMountsTest, ARequestThatTakesItsTimeHoldsUpNobody) {
  mount();
  std::vector<std::thread> writers;
  for (int i = 0; i < 12; ++i) {
    writers.emplace_back([&] { EXPECT_EQ(write_text(at("sample.wait"), "1"), 0); });
  }
  EXPECT_EQ(content(at("sample.value")), "0\n");
  EXPECT_EQ(write_text(at("sample.gate"), "1"), 0);
  for (std::thread& writer : writers) writer.join();
}

// Names, moves and lists by several at once, and groups that go while others look at them.
TEST_F(GroupMountsTest, ManyAtOnce) {
  mount();
  ASSERT_EQ(mkdir(at("a").c_str(), 0755) | mkdir(at("b").c_str(), 0755), 0);
  std::vector<std::unique_ptr<Elsewhere>> processes;
  std::vector<std::thread> workers;
  for (int n = 0; n < 4; ++n) {
    processes.push_back(std::make_unique<Elsewhere>());
    adopt(processes.back()->pid());
  }
  for (int n = 0; n < 4; ++n) {
    workers.emplace_back([&, n] {
      const std::string number = std::to_string(processes[static_cast<std::size_t>(n)]->pid());
      const std::string own = at("a/" + std::to_string(n));
      for (int i = 0; i < 30; ++i) {
        EXPECT_EQ(write_text(at(i % 2 == 0 ? "a/cgroup.procs" : "b/cgroup.procs"), number), 0);
        EXPECT_EQ(mkdir(own.c_str(), 0755), 0);
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(at("a"), error)) {
          struct stat st {};
          (void)stat(entry.path().c_str(), &st);  // it may be gone
        }
        EXPECT_FALSE(error) << error.message();
        EXPECT_NE(content(own + "/cgroup.events"), "");
        EXPECT_NE(content(at("cgroup.stat")), "");
        EXPECT_EQ(rmdir(own.c_str()), 0);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}

TEST_F(GroupMountsTest, WhoIsInThereKeepsItBusy) {
  mount();
  UniqueFd file(open(at("tasks").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(mounts_->unmount(dir_).error_code(), EBUSY);
  EXPECT_EQ(content(at("sample.value")), "0\n");
  file.reset();
  EXPECT_TRUE(mounts_->unmount(dir_));
}

TEST_F(GroupMountsTest, TheEndDoesNotWaitForThoseInThere) {
  mount();
  UniqueFd file(open(at("sample.value").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd dir(open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(events_of(file.get()), POLLPRI | POLLERR);
  mounts_->unmount_all();
  EXPECT_TRUE(mounts_->list().empty());
  EXPECT_FALSE(mounted());
  char byte;
  EXPECT_EQ(error_of(static_cast<int>(read(file.get(), &byte, 1))), ENOTCONN);
  // What still holds it does not keep it from being mounted anew.
  mount();
  EXPECT_EQ(content(at("sample.value")), "0\n");
}

TEST_F(GroupMountsTest, UnmountedBySomebodyElse) {
  mount("sample");
  ASSERT_EQ(umount2(dir_.c_str(), 0), 0);
  mount("sample,other");
  EXPECT_EQ(groups_->hierarchies().size(), 2u);
  ASSERT_EQ(mkdir(at("a").c_str(), 0755), 0);
  {
    const UniqueFd held(open(at("a/sample.value").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(umount2(dir_.c_str(), MNT_DETACH), 0);
    char text[4];
    EXPECT_EQ(read(held.get(), text, sizeof text), 2);
  }
  wait_until_forgotten();
  // It has a group, and so lives on: the subsystems are not free.
  EXPECT_EQ(mounts_->mount(dir_, "sample").error_code(), EBUSY);
  EXPECT_EQ(groups_->hierarchies().size(), 2u);
}

TEST_F(GroupMountsTest, InAnotherMountNamespace) {
  MountPlace place;
  {
    const Elsewhere elsewhere;
    place.process = elsewhere.pid();
    place.type = "cgroup";
    place.source = "none";
    ASSERT_TRUE(mounts_->mount(dir_, "", place));
    EXPECT_FALSE(mounted());
    EXPECT_EQ(content(elsewhere.root() + dir_ + "/sample.value"), "0\n");
    EXPECT_NE(content("/proc/" + std::to_string(elsewhere.pid()) + "/mounts")
                  .find("none " + dir_ + " fuse.rcfs"),
              std::string::npos);
    const auto list = mounts_->list();
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].type, "cgroup");
    EXPECT_NE(list[0].device, 0u);
    EXPECT_EQ(mounts_->unmount(dir_).error_code(), EINVAL);  // not here
    EXPECT_TRUE(mounts_->unmount(dir_, place));
    EXPECT_TRUE(mounts_->list().empty());
    ASSERT_TRUE(mounts_->mount(dir_, "", place));
  }
  // It went with its namespace.
  wait_until_forgotten();
}

// A copy in another mount namespace goes on after the first is unmounted.
TEST_F(GroupMountsTest, CopiedIntoAnotherMountNamespace) {
  mount();
  {
    const Elsewhere elsewhere;
    EXPECT_TRUE(mounts_->unmount(dir_));
    EXPECT_TRUE(mounts_->list().empty());
    EXPECT_FALSE(mounted());
    EXPECT_EQ(content(elsewhere.root() + dir_ + "/sample.value"), "0\n");
  }
  mount();
  EXPECT_TRUE(mounts_->unmount(dir_));
}

// Groups of a process of its own, and their mounts.
struct OwnMounts {
  OwnMounts() {
    KernelOptions options;
    options.pin_level0 = true;
    kernel = std::move(*Kernel::create(options));
    groups = std::move(*Groups::create(*kernel, host, kSubsystems));
    mounts = std::move(*GroupMounts::create(*groups, {}));
  }
  GroupHost host;
  std::unique_ptr<Kernel> kernel;
  std::unique_ptr<Groups> groups;
  std::unique_ptr<GroupMounts> mounts;
};

// A killed process leaves no mount.
TEST_F(GroupMountsTest, NothingStaysWhenItsProcessIsKilled) {
  if (groupfs::kUnderThreadSanitizer) GTEST_SKIP() << "SKIPPED: under TSan a fork has no threads";
  end_own();
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    const OwnMounts own;
    const char answer = own.mounts->mount(dir_, "") ? 'y' : 'n';
    (void)!write(ready[1], &answer, 1);
    while (true) pause();
  }
  char answer = 0;
  EXPECT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(content(at("sample.value")), "0\n");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  struct stat inside {
  }, base{};
  ASSERT_EQ(stat(base_.c_str(), &base), 0);
  while (stat(dir_.c_str(), &inside) != 0 || inside.st_dev != base.st_dev) {
    std::this_thread::yield();
  }
  close(ready[0]);
  close(ready[1]);
}

// One that waits for its own file system, while its kill ends the threads that serve it: an answer
// never comes, and the kernel gives up the request only when nobody holds the device any more.
TEST_F(GroupMountsTest, WhoWaitsForItselfCanBeKilled) {
  if (groupfs::kUnderThreadSanitizer) GTEST_SKIP() << "SKIPPED: under TSan a fork has no threads";
  end_own();
  void* const shared =
      mmap(nullptr, sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  sem_t* const begun = static_cast<sem_t*>(shared);
  ASSERT_EQ(sem_init(begun, 1, 0), 0);
  const pid_t child = fork();
  if (child == 0) {
    wait_begun = begun;
    const OwnMounts own;
    if (!own.mounts->mount(dir_, "")) _exit(1);
    (void)write_text(at("sample.wait"), "x");
    _exit(2);
  }
  ASSERT_EQ(sem_wait(begun), 0);
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  ASSERT_TRUE(process);
  kill(child, SIGKILL);
  pollfd end{process.get(), POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 20000), 1) << "it waits for an answer that nobody can give";
  umount2(dir_.c_str(), MNT_FORCE);  // ends the waiting; where nobody waits it is gone already
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, SIGKILL);
  umount2(dir_.c_str(), MNT_DETACH);
  munmap(shared, sizeof(sem_t));
}

TEST(Fusermount, ErrnoOfWhatItSays) {
  EXPECT_EQ(groupfs::errno_in("mount failed: Operation not permitted"), EPERM);
  EXPECT_EQ(groupfs::errno_in("bad mount point /x: No such file or directory"), ENOENT);
  EXPECT_EQ(groupfs::errno_in("failed to open /dev/fuse: Permission denied"), EACCES);
  EXPECT_EQ(groupfs::errno_in("failed to unmount /x: Device or resource busy"), EBUSY);
  EXPECT_EQ(groupfs::errno_in("entry for /x not found in /etc/mtab"), EINVAL);
  EXPECT_EQ(groupfs::errno_in("user has no write access to mountpoint /x"), EPERM);
}

}  // namespace
}  // namespace warren
