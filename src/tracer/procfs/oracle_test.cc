// The kernel as the oracle: to an observer whose numbers are the host's own, every path must lead
// where the kernel says it leads.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "tracer/procfs/fake_view.h"
#include "tracer/procfs/path.h"

namespace warren::procfs {
namespace {

struct Outcome {
  int error = 0;
  dev_t dev = 0;
  ino_t ino = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome look(int dirfd, const std::string& path, bool follow) {
  const UniqueFd fd(::openat(dirfd, path.c_str(), O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
  if (!fd.ok()) return {errno, 0, 0};
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return {errno, 0, 0};
  return {0, st.st_dev, st.st_ino};
}

// All that the host has, under the host's numbers.
class HostView : public FakeView {
 public:
  int to_host(int vnr) const override { return tgid_of(vnr) != 0 ? vnr : 0; }
  int to_guest(int host) const override { return to_host(host); }
  int tgid_of(int host_tid) const override {
    std::ifstream status(fmt::format("/proc/{}/status", host_tid));
    std::string line;
    while (std::getline(status, line))
      if (line.starts_with("Tgid:\t")) return std::stoi(line.substr(6));
    return 0;
  }
};

class OracleTest : public testing::Test {
 protected:
  OracleTest() {
    char name[] = "/tmp/warren-oracle-XXXXXX";
    top_ = ::mkdtemp(name);
    const auto link = [this](const std::string& target, const char* at) {
      ASSERT_EQ(::symlink(target.c_str(), (top_ + '/' + at).c_str()), 0);
    };
    link("/proc", "p");
    link("p/self/../self", "q");
    link(fmt::format("/proc/{}/root/proc/self/fd", child_.pid()), "r");
    link("../..//proc/./thread-self/", "s");
    link("s/loop", "loop");
    link("loop/", "t");
    link("t", "u");
    link("u", "t2");
    link("t2", "u2");
    link("v", "v");
    link("/etc/passwd", "file");
    proc_ = UniqueFd(::open("/proc", O_RDONLY | O_DIRECTORY));
    task_ = UniqueFd(::open("/proc/self/task", O_RDONLY | O_DIRECTORY));
    dir_ = UniqueFd(::open(top_.c_str(), O_RDONLY | O_DIRECTORY));
    file_ = UniqueFd(::open("/proc/self/status", O_RDONLY));
    parts_ = {"proc",
              "self",
              "thread-self",
              "task",
              "fd",
              "ns",
              "pid",
              "cwd",
              "root",
              "exe",
              "status",
              "net",
              "mounts",
              "attr",
              "current",
              ".",
              "..",
              "..",
              "..",
              "",
              "etc",
              "passwd",
              "tmp",
              "dev",
              "stdin",
              "p",
              "q",
              "r",
              "s",
              "t",
              "v",
              "file",
              "nosuch",
              "sys",
              "kernel",
              "pid_max",
              "fdinfo",
              "0",
              "99999",
              "map_files",
              "tty",
              "driver",
              std::to_string(::getpid()),
              std::to_string(child_.pid()),
              std::to_string(proc_.get()),
              std::to_string(task_.get()),
              std::to_string(dir_.get()),
              std::to_string(file_.get())};
    starts_ = {"",
               "",
               "/",
               "/proc/",
               "/proc/self/",
               "/dev/fd/",
               "/proc/self/cwd/",
               top_ + "/",
               fmt::format("/proc/{}/", child_.pid())};
  }
  ~OracleTest() override { std::filesystem::remove_all(top_); }

  std::string random_path() {
    std::string path = pick(starts_);
    const size_t count = random_() % 6;
    for (size_t i = 0; i < count; ++i) path += pick(parts_) + '/';
    if (!path.empty() && random_() % 4 != 0) path.pop_back();
    return path;
  }
  const std::string& pick(const std::vector<std::string>& from) {
    return from[random_() % from.size()];
  }
  int random_base() {
    const int bases[] = {AT_FDCWD, proc_.get(), task_.get(), dir_.get(), file_.get(), 9999};
    return bases[random_() % std::size(bases)];
  }

  Child child_;
  HostView view_;
  std::string top_;
  UniqueFd proc_, task_, dir_, file_;
  std::vector<std::string> parts_, starts_;
  std::mt19937 random_{20070424};
};

TEST_F(OracleTest, EveryPathLeadsWhereTheKernelSays) {
  int inside = 0;
  int found = 0;
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string path = random_path();
    const int base = random_base();
    const bool follow = random_() % 2 == 0;
    const Outcome expected = look(base, path, follow);
    const ResolvedPath got = resolve({::getpid(), base}, path, {.follow_last = follow}, view_);
    Outcome actual{got.error, 0, 0};
    // A final link that was not to be followed stays so when its host path is opened.
    if (got.kind == Kind::kOutside && got.native)
      actual = expected;
    else if (got.kind != Kind::kError)
      actual = look(AT_FDCWD, got.host_path, follow);
    EXPECT_EQ(actual, expected) << "base " << base << " path '" << path << "' follow " << follow
                                << " -> '" << got.host_path << "' errors " << actual.error
                                << " and " << expected.error;
    if (actual != expected && ++wrong == 10) break;
    // Whoever ends in procfs must be seen to.
    struct stat proc;
    ASSERT_EQ(::fstat(proc_.get(), &proc), 0);
    if (expected.error == 0 && expected.dev == proc.st_dev) {
      EXPECT_TRUE(got.inside()) << path;
    }
    inside += got.inside() ? 1 : 0;
    found += expected.error == 0 ? 1 : 0;
  }
  // The paths are worth the trying.
  EXPECT_GT(inside, 2000);
  EXPECT_GT(found, 2000);
}

}  // namespace
}  // namespace warren::procfs
