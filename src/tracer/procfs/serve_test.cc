#include "tracer/procfs/serve.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <thread>
#include <vector>

#include "tracer/procfs/fake_view.h"

namespace warren::procfs {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string slurp(int fd) {
  std::string text(65536, 0);
  const ssize_t size = ::read(fd, text.data(), text.size());
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

class ServeTest : public testing::Test {
 protected:
  ServeTest() : host_(child_.pid()) { view_.add(2, host_); }

  OpenAnswer open(std::string_view path, int flags = O_RDONLY, mode_t mode = 0) {
    return server_.open(base_, path, flags, mode, 0, view_);
  }
  std::string text(std::string_view path) {
    const OpenAnswer answer = open(path);
    EXPECT_EQ(answer.action, Action::kAnswer) << path << " error " << answer.error;
    return answer.fd.ok() ? slurp(answer.fd.get()) : "";
  }
  // "" is the host kernel's own business; "!N" an error.
  std::string link(std::string_view path) {
    const TextAnswer answer = server_.readlink(base_, path, view_);
    if (answer.action == Action::kError) return fmt::format("!{}", answer.error);
    return answer.text;
  }

  Child child_;
  FakeView view_;
  const int host_;
  Base base_{::getpid(), AT_FDCWD};
  Server server_;
};

TEST_F(ServeTest, OrdinaryFilesAreTheKernelsBusiness) {
  for (const char* path :
       {"/etc/passwd", "/proc/meminfo", "/proc/self/maps", "/proc/self/exe", "/proc/self/oom_score",
        "/proc/self/fd/0", "/dev/stdin", "/proc/filesystems", "/proc/self/nosuch", "/etc/nosuch",
        "/proc/nosuch"}) {
    const OpenAnswer answer = open(path);
    EXPECT_EQ(answer.action, Action::kContinue) << path << " error " << answer.error;
    EXPECT_FALSE(answer.taints) << path;
  }
}

TEST_F(ServeTest, DirectoriesTaint) {
  for (const char* path : {"/proc", "/proc/self", "/proc/self/task", "/proc/self/fd", "/dev/fd",
                           "/proc/self/net", "/proc/sys", "/proc/self/ns"}) {
    const OpenAnswer answer = open(path, O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(answer.action, Action::kContinue) << path;
    EXPECT_TRUE(answer.taints) << path;
  }
  const OpenAnswer other = open("/proc/2");
  EXPECT_EQ(other.action, Action::kAnswer);
  EXPECT_TRUE(other.taints);
  EXPECT_FALSE(open("/proc/2/maps").taints);
  EXPECT_TRUE(open("/proc/self/stat", O_PATH).taints);
}

TEST_F(ServeTest, NumbersInContentsAreTheViews) {
  EXPECT_THAT(text("/proc/2/stat"), StartsWith("2 ("));
  EXPECT_THAT(text("/proc/self/stat"), StartsWith("1 ("));
  EXPECT_THAT(text("/proc/self/stat"), HasSubstr(") R 0 1 1 "));
  EXPECT_THAT(text("/proc/2/status"), HasSubstr("\nPid:\t2\nPPid:\t1\nTracerPid:\t0\n"));
  EXPECT_THAT(text("/proc/2/task/2/status"), HasSubstr("\nNSpid:\t2\n"));
  EXPECT_THAT(text("/proc/loadavg"), testing::EndsWith(" 42\n"));
  EXPECT_EQ(text("/proc/sys/kernel/ns_last_pid"), "42\n");
  EXPECT_EQ(text("/proc/sys/kernel/pid_max"), "4194304\n");
  EXPECT_EQ(text("/proc/self/warren"), "{}\n");
  EXPECT_EQ(text("/proc/2/cgroup"), "0::/group of 2\n");
  EXPECT_EQ(text("/proc/thread-self/cgroup"), "0::/group of 1\n");
  EXPECT_EQ(text("/proc/cgroups"), "#subsys_name\n");
  EXPECT_THAT(text("/proc/mounts"), HasSubstr(" /proc proc "));
  EXPECT_THAT(text("/proc/2/mountinfo"), testing::Not(HasSubstr(" - cgroup")));
  // Not every kernel has these two.
  if (::access("/proc/thread-self/children", F_OK) == 0) {
    EXPECT_EQ(text("/proc/self/task/1/children"), "2 ");
  }
  if (::access("/proc/self/sched", F_OK) == 0) {
    EXPECT_THAT(text("/proc/2/sched"), HasSubstr(" (2, #threads: "));
  }
  EXPECT_EQ(open("/proc/2/comm").action, Action::kAnswer);
}

TEST_F(ServeTest, APathDescriptorIsInjectedAsOneForReading) {
  for (const char* path :
       {"/proc/2", "/proc/2/fd", "/proc/2/root", "/proc/2/stat", "/proc/2/exe", "/proc/2/ns/pid"}) {
    const OpenAnswer answer = open(path, O_PATH);
    ASSERT_TRUE(answer.fd.ok()) << path << " error " << answer.error;
    EXPECT_EQ(::fcntl(answer.fd.get(), F_GETFL) & O_PATH, 0) << path;
  }
  EXPECT_TRUE(open("/proc/2", O_PATH).taints);
  EXPECT_EQ(open("/proc/2/exe", O_PATH | O_NOFOLLOW).error, ELOOP);
  const OpenAnswer self = open("/proc/self", O_PATH | O_NOFOLLOW);
  EXPECT_EQ(self.action, Action::kContinue);
  EXPECT_TRUE(self.taints);
}

TEST_F(ServeTest, GuestsOwnLinksAreKnown) {
  EXPECT_FALSE(server_.may_reach_proc("/tmp/me/stat", false));
  server_.learn_link("/proc/self", "/tmp/me");
  EXPECT_TRUE(server_.may_reach_proc("/tmp/me/stat", false));
  EXPECT_TRUE(server_.may_reach_proc("/proc", false));
}

TEST_F(ServeTest, WhoSuspectsAllFollowsLinksOfOthers) {
  server_.suspect_all();
  EXPECT_TRUE(server_.may_reach_proc("/usr/lib/x", false));
  char name[] = "/tmp/warren-serve-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string of_another = std::string(name) + "/x";
  ASSERT_EQ(::symlink("/proc/2", of_another.c_str()), 0);
  EXPECT_EQ(open(of_another + "/stat").action, Action::kAnswer);
  EXPECT_EQ(open("/usr").action, Action::kContinue);
  EXPECT_EQ(open(std::string(name) + "/nosuch").action, Action::kContinue);
  ::unlink(of_another.c_str());
  ::rmdir(name);
}

TEST_F(ServeTest, ErrorsOfOpen) {
  const struct {
    const char* path;
    int flags;
    int error;
  } rows[] = {
      {"/proc/3", O_RDONLY, ENOENT},
      {"/proc/2/nosuch", O_RDONLY, ENOENT},
      {"/proc/2/nosuch", O_RDWR | O_CREAT, ENOENT},
      {"/proc/2/stat", O_RDONLY | O_DIRECTORY, ENOTDIR},
      {"/proc/2/stat/", O_RDONLY, ENOTDIR},
      {"/proc/2", O_RDWR, EISDIR},
      {"/proc/2/cwd", O_RDONLY | O_NOFOLLOW, ELOOP},
      {"/proc/2/ns/pid", O_RDONLY | O_NOFOLLOW, ELOOP},
      {"/proc/2/fd/99", O_RDONLY, ENOENT},
      {"/proc/2/fdinfo/99", O_RDONLY, ENOENT},
      {"/proc/self/warren", O_RDWR, EACCES},
      {"/proc/self/warren", O_RDONLY | O_DIRECTORY, ENOTDIR},
      {"/proc/2/warren", O_RDONLY, ENOENT},
      {"/proc/sys/kernel/pid_max", O_WRONLY, EPERM},
      {"/proc/2/comm", O_RDONLY | O_CREAT | O_EXCL, EEXIST},
  };
  for (const auto& row : rows) {
    const OpenAnswer answer = open(row.path, row.flags, 0644);
    EXPECT_EQ(answer.action, Action::kError) << row.path;
    EXPECT_EQ(answer.error, row.error) << row.path;
  }
}

TEST_F(ServeTest, ADeadProcess) {
  child_.end();
  EXPECT_EQ(open("/proc/2/stat").error, ENOENT);
  EXPECT_EQ(open("/proc/2").error, ENOENT);
  EXPECT_EQ(link("/proc/2/exe"), fmt::format("!{}", ENOENT));
  view_.remove(1);
  EXPECT_EQ(open("/proc/self/stat").error, ENOENT);
  EXPECT_EQ(link("/proc/self"), fmt::format("!{}", ENOENT));
}

TEST_F(ServeTest, SnapshotsAreReadOnlyAndNamedAsTheFile) {
  const OpenAnswer answer = open("/proc/2/stat");
  ASSERT_TRUE(answer.fd.ok());
  EXPECT_EQ(::fcntl(answer.fd.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(link(fmt::format("/proc/self/fd/{}", answer.fd.get())), "/proc/2/stat");
  struct stat st;
  ASSERT_EQ(::fstat(answer.fd.get(), &st), 0);
  EXPECT_EQ(st.st_mode, S_IFREG | 0444U);
}

TEST_F(ServeTest, NamespacesAreTheirDescriptor) {
  const OpenAnswer answer = open("/proc/2/ns/pid");
  ASSERT_TRUE(answer.fd.ok());
  struct stat expected;
  ASSERT_EQ(::fstat(answer.fd.get(), &expected), 0);
  const std::string name = fmt::format("pid:[{}]", expected.st_ino);
  EXPECT_EQ(link("/proc/2/ns/pid"), name);
  EXPECT_EQ(link("/proc/self/ns/pid_for_children"), name);
  EXPECT_EQ(link(fmt::format("/proc/self/fd/{}", answer.fd.get())), name);
  const StatAnswer st = server_.stat(base_, "/proc/2/ns/pid", 0, view_);
  EXPECT_EQ(st.action, Action::kAnswer);
  EXPECT_EQ(st.st.st_ino, expected.st_ino);
  EXPECT_EQ(st.st.st_dev, expected.st_dev);
  const StatxAnswer stx = server_.statx(base_, "/proc/self/ns/pid", 0, STATX_BASIC_STATS, view_);
  EXPECT_EQ(stx.stx.stx_ino, expected.st_ino);
  const StatAnswer as_link = server_.stat(base_, "/proc/2/ns/pid", AT_SYMLINK_NOFOLLOW, view_);
  EXPECT_TRUE(S_ISLNK(as_link.st.st_mode));
  EXPECT_EQ(open("/proc/self/ns/mnt").action, Action::kContinue);
  EXPECT_EQ(open("/proc/2/ns/mnt").action, Action::kAnswer);
}

TEST_F(ServeTest, Readlink) {
  EXPECT_EQ(link("/proc/self"), "1");
  EXPECT_EQ(link("/proc/thread-self"), "1/task/1");
  EXPECT_EQ(link("/proc/mounts"), "");
  EXPECT_EQ(link("/etc/mtab"), "");
  EXPECT_EQ(link("/proc/self/warren"), fmt::format("!{}", EINVAL));
  EXPECT_EQ(link("/proc/2/stat"), fmt::format("!{}", EINVAL));
  char exe[PATH_MAX] = {};
  ASSERT_GT(::readlink("/proc/self/exe", exe, sizeof exe - 1), 0);
  EXPECT_EQ(link("/proc/2/exe"), exe);
  const UniqueFd dir(::open(fmt::format("/proc/{}/net", host_).c_str(), O_RDONLY));
  EXPECT_EQ(link(fmt::format("/proc/self/fd/{}", dir.get())), "/proc/2/net");
  const UniqueFd self(::open("/proc/self", O_PATH | O_NOFOLLOW));
  base_.dirfd = self.get();
  EXPECT_EQ(link(""), "1");
}

TEST_F(ServeTest, Stat) {
  const StatAnswer dir = server_.stat(base_, "/proc/2", 0, view_);
  struct stat expected;
  ASSERT_EQ(::stat(fmt::format("/proc/{}", host_).c_str(), &expected), 0);
  EXPECT_EQ(dir.action, Action::kAnswer);
  EXPECT_EQ(dir.st.st_ino, expected.st_ino);
  EXPECT_EQ(server_.stat(base_, "/proc", 0, view_).action, Action::kContinue);
  EXPECT_EQ(server_.stat(base_, "/proc/self", 0, view_).action, Action::kContinue);
  EXPECT_EQ(server_.stat(base_, "/proc/3", 0, view_).error, ENOENT);
  EXPECT_EQ(server_.stat(base_, "/proc/2/fd/99", 0, view_).error, ENOENT);
  EXPECT_EQ(server_.stat(base_, "", AT_EMPTY_PATH, view_).action, Action::kContinue);
  const StatAnswer own = server_.stat(base_, "/proc/self/warren", 0, view_);
  EXPECT_EQ(own.action, Action::kAnswer);
  EXPECT_TRUE(S_ISREG(own.st.st_mode));
  const StatxAnswer stx = server_.statx(base_, "/proc/2", 0, STATX_BASIC_STATS, view_);
  EXPECT_EQ(stx.stx.stx_ino, expected.st_ino);
}

TEST_F(ServeTest, StatAndOpenAgreeOnTheFile) {
  for (const char* path : {"/proc/2/status", "/proc/self/stat", "/proc/loadavg",
                           "/proc/self/warren", "/proc/sys/kernel/pid_max"}) {
    const StatAnswer before = server_.stat(base_, path, 0, view_);
    ASSERT_EQ(before.action, Action::kAnswer) << path;
    EXPECT_TRUE(S_ISREG(before.st.st_mode)) << path;
    const OpenAnswer file = open(path);
    ASSERT_TRUE(file.fd.ok()) << path;
    struct stat st;
    ASSERT_EQ(::fstat(file.fd.get(), &st), 0);
    EXPECT_EQ(before.st.st_ino, st.st_ino) << path;
    EXPECT_EQ(before.st.st_dev, st.st_dev) << path;
  }
  struct stat host;
  ASSERT_EQ(::stat("/etc/passwd", &host), 0);
  const StatAnswer through = server_.stat(base_, "/proc/2/root/etc/passwd", 0, view_);
  ASSERT_EQ(through.action, Action::kAnswer);
  EXPECT_EQ(through.st.st_dev, host.st_dev);
  EXPECT_EQ(through.st.st_ino, host.st_ino);
  EXPECT_EQ(through.st.st_size, host.st_size);
  EXPECT_EQ(through.st.st_mode, host.st_mode);
  EXPECT_EQ(through.st.st_mtim.tv_sec, host.st_mtim.tv_sec);
  EXPECT_EQ(through.st.st_blocks, host.st_blocks);
}

TEST_F(ServeTest, Access) {
  EXPECT_EQ(server_.access(base_, "/proc/2/stat", R_OK, 0, view_).action, Action::kAnswer);
  EXPECT_EQ(server_.access(base_, "/proc/self/stat", R_OK, 0, view_).action, Action::kContinue);
  EXPECT_EQ(server_.access(base_, "/proc/3", F_OK, 0, view_).error, ENOENT);
  EXPECT_EQ(server_.access(base_, "/proc/2/nosuch", F_OK, 0, view_).error, ENOENT);
  EXPECT_EQ(server_.access(base_, "/proc/self/warren", F_OK, 0, view_).action, Action::kAnswer);
  EXPECT_EQ(server_.access(base_, "/proc/self/warren", W_OK, 0, view_).error, EACCES);
}

TEST_F(ServeTest, PathsForOtherCalls) {
  const TextAnswer chdir = server_.host_path(base_, "/proc/2/fd", {}, view_);
  EXPECT_EQ(chdir.action, Action::kAnswer);
  EXPECT_EQ(chdir.text, fmt::format("/proc/{}/fd", host_));
  EXPECT_TRUE(chdir.taints);
  const TextAnswer self = server_.host_path(base_, "/proc/self", {}, view_);
  EXPECT_EQ(self.action, Action::kContinue);
  EXPECT_TRUE(self.taints);
  EXPECT_TRUE(server_.host_path(base_, "/proc/sys", {}, view_).taints);
  EXPECT_EQ(server_.host_path(base_, "/proc/2/exe", {}, view_).text,
            fmt::format("/proc/{}/exe", host_));
  EXPECT_EQ(server_.host_path(base_, "/proc/3/exe", {}, view_).error, ENOENT);
  EXPECT_EQ(server_.host_path(base_, "/usr/bin/env", {}, view_).action, Action::kContinue);
  EXPECT_EQ(server_.getcwd(fmt::format("/proc/{}/fd", host_), view_).text, "/proc/2/fd");
  EXPECT_EQ(server_.getcwd("/home", view_).action, Action::kContinue);
  EXPECT_EQ(server_.getcwd("/proc/sys", view_).action, Action::kContinue);
}

TEST_F(ServeTest, OpensWhatAnothersDescriptorsLeadTo) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Child child;
  view_.add(3, child.pid());
  const OpenAnswer writer =
      open(fmt::format("/proc/3/fd/{}", fds[1]), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ASSERT_EQ(writer.action, Action::kAnswer) << writer.error;
  EXPECT_EQ(::fcntl(writer.fd.get(), F_GETFL) & O_NONBLOCK, 0);
  ASSERT_EQ(::write(writer.fd.get(), "hello", 5), 5);
  EXPECT_EQ(slurp(fds[0]), "hello");
  EXPECT_EQ(open(fmt::format("/proc/3/fd/{}", pair[0])).error, ENXIO);
  for (const int fd : {fds[0], fds[1], pair[0], pair[1]}) ::close(fd);
}

TEST_F(ServeTest, CreatesWithTheGuestsUmask) {
  char directory[] = "/tmp/warren-serve-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  Child child([&] {
    ::umask(027);
    if (::chdir(directory) != 0) ::_exit(1);
  });
  view_.add(3, child.pid());
  base_.host_tid = child.pid();
  const OpenAnswer file = open("/proc/3/cwd/new", O_WRONLY | O_CREAT, 0666);
  ASSERT_EQ(file.action, Action::kAnswer) << file.error;
  struct stat st;
  ASSERT_EQ(::fstat(file.fd.get(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0640U);
  EXPECT_EQ(open("/proc/3/cwd/new", O_WRONLY | O_CREAT | O_EXCL, 0666).error, EEXIST);
  EXPECT_EQ(open("/proc/3/cwd/new", O_RDWR | O_CREAT, 0666).action, Action::kAnswer);
  ASSERT_EQ(::unlinkat(AT_FDCWD, fmt::format("{}/new", directory).c_str(), 0), 0);
  ASSERT_EQ(::rmdir(directory), 0);
}

TEST_F(ServeTest, FdinfoOfAPidfd) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, host_, 0)));
  ASSERT_TRUE(pidfd.ok());
  const std::string info = text(fmt::format("/proc/self/fdinfo/{}", pidfd.get()));
  EXPECT_THAT(info, HasSubstr("\nPid:\t2\n"));
  EXPECT_THAT(info, HasSubstr("\nNSpid:\t2\n"));
}

TEST_F(ServeTest, LocksOfOthersAreNotShown) {
  char name[] = "/tmp/warren-lock-XXXXXX";
  const UniqueFd file(::mkstemp(name));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(file.get(), F_SETLK, &lock), 0);
  struct stat st;
  ASSERT_EQ(::fstat(file.get(), &st), 0);
  EXPECT_THAT(text("/proc/locks"), HasSubstr(fmt::format(":{} 0 EOF", st.st_ino)));
  EXPECT_THAT(text("/proc/locks"), HasSubstr(" WRITE 1 "));
  view_.remove(1);
  EXPECT_THAT(text("/proc/locks"), testing::Not(HasSubstr(fmt::format(":{} ", st.st_ino))));
  ::unlink(name);
}

TEST_F(ServeTest, SysctlsAreSetBeforeTheyAreRead) {
  Server::SysctlSetters setters;
  setters.last_pid = [this](int value) { view_.last = value; };
  const OpenAnswer answer = server_.open(base_, "/proc/sys/kernel/ns_last_pid",
                                         O_WRONLY | O_CREAT | O_TRUNC, 0666, 0, view_, &setters);
  ASSERT_TRUE(answer.fd.ok()) << answer.error;
  ASSERT_EQ(::write(answer.fd.get(), "700\n", 4), 4);
  EXPECT_EQ(text("/proc/sys/kernel/ns_last_pid"), "700\n");
  view_.may_set = false;
  EXPECT_EQ(
      server_.open(base_, "/proc/sys/kernel/ns_last_pid", O_WRONLY, 0, 0, view_, &setters).error,
      EPERM);
}

TEST_F(ServeTest, Listing) {
  const UniqueFd proc(::open("/proc", O_RDONLY));
  const DirentsAnswer answer = server_.getdents(proc.get(), 32768, DirentLayout::kDirent64, view_);
  EXPECT_EQ(answer.action, Action::kAnswer);
  EXPECT_FALSE(answer.bytes.empty());
  const UniqueFd fd(::open("/proc/self/fd", O_RDONLY));
  EXPECT_EQ(server_.getdents(fd.get(), 4096, DirentLayout::kDirent64, view_).action,
            Action::kContinue);
  const UniqueFd tmp(::open("/tmp", O_RDONLY));
  EXPECT_EQ(server_.getdents(tmp.get(), 4096, DirentLayout::kDirent64, view_).action,
            Action::kContinue);
  const UniqueFd task(::open(fmt::format("/proc/{}/task", host_).c_str(), O_RDONLY));
  EXPECT_EQ(server_.getdents(task.get(), 4096, DirentLayout::kDirent64, view_).action,
            Action::kAnswer);
  child_.end();
  ASSERT_EQ(::lseek(task.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(server_.getdents(task.get(), 4096, DirentLayout::kDirent64, view_).error, ENOENT);
}

TEST_F(ServeTest, ManyThreadsMayAsk) {
  Server::SysctlSetters setters;
  std::atomic<int> set = 0;
  setters.last_pid = [&](int) { ++set; };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        EXPECT_EQ(server_.stat(base_, "/proc/2/stat", 0, view_).action, Action::kAnswer);
        EXPECT_TRUE(open("/proc/2/stat").fd.ok());
        EXPECT_EQ(link("/proc/self"), "1");
        server_.learn_link("/proc", "/tmp/" + std::to_string(round));
        EXPECT_TRUE(server_.may_reach_proc("/tmp/0", false));
        const OpenAnswer sysctl =
            server_.open(base_, "/proc/sys/kernel/ns_last_pid", O_WRONLY, 0, 0, view_, &setters);
        EXPECT_EQ(::write(sysctl.fd.get(), "7", 1), 1);
        server_.sysctl_writes().apply();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(set, 400);
}

TEST_F(ServeTest, AGuestWithoutRightsGetsNone) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving rights up needs some";
  Child guest([] {
    if (::setgid(1001) != 0 || ::setuid(1001) != 0) ::_exit(1);
  });
  view_.add(3, guest.pid());
  base_.host_tid = guest.pid();
  view_.set_self(guest.pid(), guest.pid());
  EXPECT_EQ(open("/proc/2/environ").error, EACCES);
  EXPECT_EQ(open("/proc/2/root/etc/shadow").error, EACCES);
  EXPECT_EQ(link("/proc/2/cwd"), fmt::format("!{}", EACCES));
  EXPECT_EQ(open("/proc/2/stat").action, Action::kAnswer);
  EXPECT_EQ(::syscall(SYS_setfsuid, -1), 0);
  base_.host_tid = ::getpid();
  EXPECT_EQ(open("/proc/2/environ").action, Action::kAnswer);
}

TEST_F(ServeTest, AProcessThatMayNotBeLookedIntoStillWorks) {
  Child guest([] { ::prctl(PR_SET_DUMPABLE, 0); });
  view_.add(3, guest.pid());
  base_.host_tid = guest.pid();
  view_.set_self(guest.pid(), guest.pid());
  EXPECT_EQ(open("/etc/passwd").action, Action::kContinue);
  EXPECT_THAT(text("/proc/2/stat"), StartsWith("2 ("));
  EXPECT_THAT(text("/proc/self/stat"), StartsWith("3 ("));
  EXPECT_EQ(open("/proc/self/maps").action, Action::kContinue);
}

}  // namespace
}  // namespace warren::procfs
