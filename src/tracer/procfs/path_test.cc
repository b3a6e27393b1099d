#include "tracer/procfs/path.h"

#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tracer/procfs/fake_view.h"
#include "tracer/procfs/position.h"

namespace warren::procfs {
namespace {

TEST(MayReachProcTest, DismissesOrdinaryPaths) {
  for (const char* path :
       {"", "/", "/etc/passwd", "/usr/include/processor.h", "/home/me/proc2/x", "/myproc", "procs",
        "x.proc", "/dev/null", "/a/fdx", "/a/.fd", "p", "f", "../lib/libc.so", "/usr/lib/proc.d/x"})
    EXPECT_FALSE(may_reach_proc(path, false)) << path;
}

TEST(MayReachProcTest, SeesTheNamesThatLeadThere) {
  for (const char* path : {"/proc", "/proc/1", "proc", "proc/1", "//proc//1", "../proc/self",
                           "/x/proc/y", "/dev/fd", "/dev/fd/3", "fd/3", "fd", "/pp/proc"})
    EXPECT_TRUE(may_reach_proc(path, false)) << path;
}

TEST(MayReachProcTest, RelativePathsOfTaintedProcesses) {
  EXPECT_TRUE(may_reach_proc("stat", true));
  EXPECT_TRUE(may_reach_proc("", true));
  EXPECT_FALSE(may_reach_proc("/etc/passwd", true));
}

class ResolveTest : public testing::Test {
 protected:
  ResolveTest() : host_(child_.pid()) { view_.add(2, host_); }
  ResolvedPath at(std::string_view path, ResolveOptions options = {}) {
    return resolve(base_, path, options, view_);
  }
  ResolvedPath nofollow(std::string_view path) { return at(path, {.follow_last = false}); }

  Child child_;
  FakeView view_;
  const int host_;
  Base base_{::getpid(), AT_FDCWD};
};

TEST_F(ResolveTest, TableOfKinds) {
  const std::string own = fmt::format("/proc/{}", ::getpid());
  const std::string other = fmt::format("/proc/{}", host_);
  const struct {
    std::string path;
    Kind kind;
    std::string host;
    bool native;
  } rows[] = {
      {"/proc", Kind::kRoot, "/proc", true},
      {"/proc/", Kind::kRoot, "/proc/", true},
      {"//proc//.", Kind::kRoot, "/proc/.", true},
      {"/proc/2", Kind::kPidDir, other, false},
      {"/proc/2/", Kind::kPidDir, other + "/", false},
      {"/proc/2/stat", Kind::kPidFile, other + "/stat", false},
      {"/proc/2/net/tcp", Kind::kPidFile, other + "/net/tcp", false},
      {"/proc/2/task", Kind::kTaskDir, other + "/task", false},
      {"/proc/2/task/2", Kind::kTidDir, fmt::format("{}/task/{}", other, host_), false},
      {"/proc/2/task/2/comm", Kind::kPidFile, fmt::format("{}/task/{}/comm", other, host_), false},
      {"/proc/2/fd", Kind::kFdDir, other + "/fd", false},
      {"/proc/2/fdinfo/0", Kind::kFdinfoFile, other + "/fdinfo/0", false},
      {"/proc/2/ns", Kind::kNsDir, other + "/ns", false},
      {"/proc/2/ns/pid", Kind::kNsLink, other + "/ns/pid", false},
      {"/proc/2/exe", Kind::kMagicLink, other + "/exe", false},
      {"/proc/2/nosuch", Kind::kPidFile, other + "/nosuch", false},
      {"/proc/self", Kind::kPidDir, own, true},
      {"/proc/self/maps", Kind::kPidFile, own + "/maps", true},
      {"/proc/thread-self/stat", Kind::kPidFile, fmt::format("{}/task/{}/stat", own, ::getpid()),
       true},
      {"/proc/self/../2/stat", Kind::kPidFile, other + "/stat", false},
      {"/proc/self/task/1/../1", Kind::kTidDir, fmt::format("{}/task/{}", own, ::getpid()), false},
      {"/proc/mounts", Kind::kPidFile, own + "/mounts", true},
      {"/proc/net/tcp", Kind::kPidFile, own + "/net/tcp", true},
      {"/proc/loadavg", Kind::kRootFile, "/proc/loadavg", true},
      {"/proc/sys/kernel/pid_max", Kind::kRootFile, "/proc/sys/kernel/pid_max", true},
      {"/proc/self/warren", Kind::kWarren, own + "/warren", true},
      {"/proc/2/warren", Kind::kPidFile, other + "/warren", false},
      {"/proc/../proc/2", Kind::kPidDir, other, false},
      {"/etc/proc", Kind::kOutside, "/etc/proc", true},
      {"/usr/../proc/2", Kind::kPidDir, other, false},
      {"/dev/fd", Kind::kFdDir, own + "/fd", true},
      {"/proc/self/root/proc/2/stat", Kind::kPidFile, other + "/stat", false},
      {"/proc/2/root/etc/passwd", Kind::kOutside, other + "/root/etc/passwd", false},
      {"/proc/2/root/etc/newfile", Kind::kOutside, other + "/root/etc/newfile", false},
  };
  for (const auto& row : rows) {
    const ResolvedPath got = at(row.path);
    EXPECT_EQ(got.kind, row.kind) << row.path << " error " << got.error;
    EXPECT_EQ(got.host_path, row.host) << row.path;
    EXPECT_EQ(got.native, row.native) << row.path;
  }
}

TEST_F(ResolveTest, Errors) {
  const struct {
    std::string path;
    int error;
  } rows[] = {
      {"/proc/3", ENOENT},
      {fmt::format("/proc/{}/stat", host_), ENOENT},  // a number of the host is none here
      {fmt::format("/proc/{}", ::getpid()), ENOENT},
      {"/proc/0", ENOENT},
      {"/proc/99999999999", ENOENT},
      {"/proc/2/task/1", ENOENT},
      {"/proc/2/stat/x", ENOTDIR},
      {"/proc/2/ns/pid/x", ENOTDIR},
      {"/proc/2/exe/x", ENOTDIR},
      {"/proc/meminfo/..", ENOTDIR},
      {"", ENOENT},
      {"/proc/" + std::string(256, 'x'), ENAMETOOLONG},
      {std::string(4096, '/'), ENAMETOOLONG},
  };
  for (const auto& row : rows) {
    const ResolvedPath got = at(row.path);
    EXPECT_EQ(got.kind, Kind::kError) << row.path;
    EXPECT_EQ(got.error, row.error) << row.path;
  }
}

TEST_F(ResolveTest, LeadingZerosAreNoNumbers) {
  const ResolvedPath got = at("/proc/02");
  EXPECT_EQ(got.kind, Kind::kRootFile);
  EXPECT_EQ(got.host_path, "/proc/02");
}

TEST_F(ResolveTest, LinksAreNotFollowedWhenNotAsked) {
  EXPECT_EQ(nofollow("/proc/self").kind, Kind::kSelf);
  EXPECT_EQ(nofollow("/proc/self").host_path, "/proc/self");
  EXPECT_EQ(nofollow("/proc/thread-self").kind, Kind::kThreadSelf);
  EXPECT_EQ(nofollow("/proc/self/").kind, Kind::kPidDir);
  EXPECT_EQ(nofollow("/proc/mounts").kind, Kind::kRootFile);
  EXPECT_EQ(nofollow("/dev/fd").kind, Kind::kOutside);
  EXPECT_EQ(nofollow("/proc/2/cwd").kind, Kind::kMagicLink);
}

TEST_F(ResolveTest, RelativeToADirectoryInProc) {
  const UniqueFd root(::open("/proc", O_RDONLY | O_DIRECTORY));
  const UniqueFd pid(::open(fmt::format("/proc/{}", host_).c_str(), O_PATH));
  const UniqueFd task(::open(fmt::format("/proc/{}/task", host_).c_str(), O_RDONLY));
  base_.dirfd = root.get();
  EXPECT_EQ(at("2/stat").host_path, fmt::format("/proc/{}/stat", host_));
  EXPECT_EQ(at("..").kind, Kind::kOutside);
  EXPECT_EQ(at("../etc").kind, Kind::kOutside);
  EXPECT_TRUE(at("../etc").native);
  base_.dirfd = pid.get();
  EXPECT_EQ(at("stat").host_path, fmt::format("/proc/{}/stat", host_));
  EXPECT_TRUE(at("stat").native);
  EXPECT_EQ(at("../1/stat").host_path, fmt::format("/proc/{}/stat", ::getpid()));
  EXPECT_FALSE(at("../1/stat").native);
  EXPECT_EQ(at("../..").kind, Kind::kOutside);
  EXPECT_EQ(at("", {.empty_path = true}).kind, Kind::kPidDir);
  base_.dirfd = task.get();
  EXPECT_EQ(at("2").kind, Kind::kTidDir);
  EXPECT_EQ(at("1").error, ENOENT);
  child_.end();
  base_.dirfd = pid.get();
  // The kernel refuses both by itself.
  EXPECT_EQ(at("stat").kind, Kind::kPidDir);
  EXPECT_TRUE(at("stat").native);
  EXPECT_TRUE(at("../1").native);
  EXPECT_LT(::openat(pid.get(), "../1", O_PATH), 0);
}

TEST_F(ResolveTest, WorkingDirectoryInProc) {
  Child inside([] { ASSERT_EQ(::chdir("/proc/self"), 0); });
  view_.add(3, inside.pid());
  base_ = {inside.pid(), AT_FDCWD};
  EXPECT_EQ(at("stat").host_path, fmt::format("/proc/{}/stat", inside.pid()));
  EXPECT_EQ(at("../2/stat").host_path, fmt::format("/proc/{}/stat", host_));
  EXPECT_EQ(at("/proc/3/cwd/../2").host_path, fmt::format("/proc/{}", host_));
  EXPECT_EQ(at("/proc/3/cwd").kind, Kind::kPidDir);
}

TEST_F(ResolveTest, ThroughDescriptorsAndOrdinaryLinks) {
  char directory[] = "/tmp/warren-path-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string top = directory;
  ASSERT_EQ(::symlink("/proc/2", (top + "/proc").c_str()), 0);
  ASSERT_EQ(::symlink("loop", (top + "/loop").c_str()), 0);
  EXPECT_EQ(at(top + "/proc/stat").host_path, fmt::format("/proc/{}/stat", host_));
  EXPECT_FALSE(at(top + "/proc/stat").native);
  EXPECT_EQ(nofollow(top + "/proc").kind, Kind::kOutside);
  EXPECT_EQ(at(top + "/loop").error, ELOOP);
  const UniqueFd fd(::open(directory, O_PATH));
  const std::string link = fmt::format("/proc/self/fd/{}", fd.get());
  EXPECT_EQ(at(link).kind, Kind::kFdLink);
  EXPECT_TRUE(at(link).native);
  EXPECT_EQ(at(link + "/proc/stat").host_path, fmt::format("/proc/{}/stat", host_));
  EXPECT_EQ(at(link + "/absent").kind, Kind::kOutside);
  EXPECT_TRUE(at(link + "/absent").native);
  std::filesystem::remove_all(top);
}

TEST_F(ResolveTest, ALinkToADescriptorOfProcIsThatFile) {
  const UniqueFd fd(::open("/proc/self/stat", O_PATH));
  const ResolvedPath got = at(fmt::format("/proc/self/fd/{}", fd.get()));
  EXPECT_EQ(got.kind, Kind::kPidFile);
  EXPECT_EQ(got.name, "stat");
}

TEST_F(ResolveTest, RootOfTheGuest) {
  if (::geteuid() != 0) GTEST_SKIP() << "chroot(2) needs privilege";
  char directory[] = "/tmp/warren-root-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string top = directory;
  ASSERT_EQ(::mkdir((top + "/proc").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("/proc/x", (top + "/link").c_str()), 0);
  Child inside([&] {
    ASSERT_EQ(::chroot(directory), 0);
    ASSERT_EQ(::chdir("/"), 0);
  });
  base_ = {inside.pid(), AT_FDCWD};
  const std::string root = fmt::format("/proc/{}/root", inside.pid());
  EXPECT_EQ(at("/proc").host_path, root + "/proc");
  EXPECT_EQ(at("/../../proc").kind, Kind::kOutside);
  EXPECT_EQ(at("../proc/..").kind, Kind::kOutside);
  EXPECT_EQ(at("/link").host_path, root + "/proc/x");
  EXPECT_EQ(at("/proc/self").kind, Kind::kOutside);
  inside.end();
  std::filesystem::remove_all(top);
}

TEST_F(ResolveTest, RestrictionsOfOpenat2) {
  const auto error = [this](std::string_view path, uint64_t flags) {
    return at(path, {.resolve = flags}).error;
  };
  EXPECT_EQ(error("/proc/self/cwd/x", RESOLVE_NO_MAGICLINKS), ELOOP);
  EXPECT_EQ(error("/proc/self", RESOLVE_NO_MAGICLINKS), 0);
  EXPECT_EQ(error("/proc/self", RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_EQ(error("/proc/2/stat", RESOLVE_NO_SYMLINKS), 0);
  EXPECT_EQ(error("/proc/2", RESOLVE_NO_XDEV), EXDEV);
  EXPECT_EQ(error("/proc/2", RESOLVE_BENEATH), EXDEV);
  const UniqueFd root(::open("/proc", O_PATH));
  base_.dirfd = root.get();
  EXPECT_EQ(error("2/../2/stat", RESOLVE_BENEATH), 0);
  EXPECT_EQ(error("2/../..", RESOLVE_BENEATH), EXDEV);
  EXPECT_EQ(at("/../2", {.resolve = RESOLVE_IN_ROOT}).kind, Kind::kPidDir);
  EXPECT_EQ(error("2/cwd/x", RESOLVE_IN_ROOT), EXDEV);
}

TEST_F(ResolveTest, DirectoriesThatStandForProcesses) {
  const auto process = [](const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY));
    const auto found = process_of_directory(fd.get());
    return found ? *found : -found.error_code();
  };
  const std::string own = fmt::format("/proc/{}", ::getpid());
  EXPECT_EQ(process(own), ::getpid());
  for (const std::string& path : {std::string("/proc"), own + "/task", own + "/stat",
                                  fmt::format("{}/task/{}", own, ::getpid()), std::string("/tmp"),
                                  std::string("/proc/sys"), std::string("/nosuch")})
    EXPECT_EQ(process(path), -EBADF) << path;
  const UniqueFd other(::open(fmt::format("/proc/{}", host_).c_str(), O_RDONLY));
  child_.end();
  EXPECT_EQ(process_of_directory(other.get()).error_code(), ESRCH);
}

TEST_F(ResolveTest, TranslatesTexts) {
  const auto text = [this](const std::string& path, bool always = false) {
    return translate_path_text(path, view_, always);
  };
  EXPECT_EQ(text(fmt::format("/proc/{}", host_)), "/proc/2");
  EXPECT_EQ(text(fmt::format("/proc/{}/fd", host_)), "/proc/2/fd");
  EXPECT_EQ(text(fmt::format("/proc/{0}/task/{0}/fd", host_)), "/proc/2/task/2/fd");
  EXPECT_EQ(text(fmt::format("/proc/{} (deleted)", host_)), "/proc/2 (deleted)");
  EXPECT_EQ(text("/proc/4000000"), "/proc/0");
  EXPECT_EQ(text(fmt::format("/proc/irq/{}", host_)), fmt::format("/proc/irq/{}", host_));
  EXPECT_EQ(text(fmt::format("/x/proc/{}", host_)), fmt::format("/x/proc/{}", host_));
  EXPECT_EQ(text(fmt::format("/x/proc/{}/task", host_), true), "/x/proc/2/task");
  EXPECT_EQ(text("/home/me"), "/home/me");
  EXPECT_EQ(text("/proc"), "/proc");
}

TEST_F(ResolveTest, ThreadsOfOneProcess) {
  int tid = 0;
  std::atomic<bool> stop = false;
  std::atomic<int> ready = 0;
  std::thread other([&] {
    tid = ::gettid();
    ready = 1;
    ready.notify_one();
    stop.wait(false);
  });
  ready.wait(0);
  view_.add(5, tid, ::getpid());
  EXPECT_EQ(at("/proc/self/task/5").host_path, fmt::format("/proc/{}/task/{}", ::getpid(), tid));
  EXPECT_EQ(at("/proc/5").kind, Kind::kPidDir);  // not listed, but there, as on Linux
  EXPECT_EQ(at("/proc/2/task/5").error, ENOENT);
  stop = true;
  stop.notify_one();
  other.join();
}

}  // namespace
}  // namespace warren::procfs
