#include "tracer/procfs/dirents.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "tracer/procfs/fake_view.h"

namespace warren::procfs {
namespace {

struct Listed {
  std::string name;
  uint64_t ino;
  int64_t next;
  unsigned char type;
};

std::vector<Listed> parse(const std::vector<char>& bytes, DirentLayout layout) {
  std::vector<Listed> found;
  const bool wide = layout == DirentLayout::kDirent64;
  for (size_t at = 0; at < bytes.size();) {
    Listed entry;
    uint16_t length = 0;
    std::memcpy(&entry.ino, &bytes[at], 8);
    std::memcpy(&entry.next, &bytes[at + 8], 8);
    std::memcpy(&length, &bytes[at + 16], 2);
    entry.name = &bytes[at + (wide ? 19 : 18)];
    entry.type = static_cast<unsigned char>(bytes[at + (wide ? 18 : length - 1U)]);
    EXPECT_EQ(length % 8, 0);
    found.push_back(entry);
    at += length;
  }
  return found;
}

class DirentsTest : public testing::Test {
 protected:
  DirentsTest() : proc_(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    for (const int vnr : {2, 9, 300}) {
      children_.push_back(std::make_unique<Child>());
      view_.add(vnr, children_.back()->pid());
    }
  }
  std::vector<Listed> next(size_t size, DirentLayout layout = DirentLayout::kDirent64) {
    const auto bytes = list_processes(proc_.get(), size, layout, view_);
    EXPECT_TRUE(bytes.ok()) << bytes.error_code();
    return bytes ? parse(*bytes, layout) : std::vector<Listed>();
  }
  std::vector<Listed> all(size_t size, DirentLayout layout = DirentLayout::kDirent64) {
    std::vector<Listed> found;
    for (;;) {
      const auto part = next(size, layout);
      if (part.empty()) return found;
      found.insert(found.end(), part.begin(), part.end());
    }
  }
  static std::vector<std::string> names(const std::vector<Listed>& entries) {
    std::vector<std::string> found;
    for (const Listed& entry : entries) found.push_back(entry.name);
    return found;
  }
  // What the host lists, with its processes replaced by the view's.
  static std::vector<std::string> expected() {
    std::vector<std::string> found;
    DIR* dir = ::opendir("/proc");
    while (const dirent* entry = ::readdir(dir))
      if (std::isdigit(entry->d_name[0]) == 0) found.emplace_back(entry->d_name);
    ::closedir(dir);
    for (const char* name : {"1", "2", "9", "300"}) found.emplace_back(name);
    return found;
  }

  std::vector<std::unique_ptr<Child>> children_;
  FakeView view_;
  UniqueFd proc_;
};

TEST_F(DirentsTest, ListsTheViewsProcesses) {
  const auto entries = all(32768);
  EXPECT_EQ(names(entries), expected());
  struct stat st;
  ASSERT_EQ(::stat(fmt::format("/proc/{}", ::getpid()).c_str(), &st), 0);
  const auto init = std::find_if(entries.begin(), entries.end(),
                                 [](const Listed& entry) { return entry.name == "1"; });
  ASSERT_NE(init, entries.end());
  EXPECT_EQ(init->ino, st.st_ino);
  EXPECT_EQ(init->type, DT_DIR);
}

TEST_F(DirentsTest, SmallBuffersAndTheOldLayout) {
  for (const size_t size : {size_t{48}, size_t{64}, size_t{100}, size_t{1000}})
    for (const DirentLayout layout : {DirentLayout::kDirent, DirentLayout::kDirent64}) {
      ASSERT_EQ(::lseek(proc_.get(), 0, SEEK_SET), 0);
      const auto entries = all(size, layout);
      EXPECT_EQ(names(entries), expected()) << size;
      EXPECT_TRUE(std::all_of(entries.begin(), entries.end(),
                              [](const Listed& entry) { return entry.type != DT_UNKNOWN; }));
    }
  ASSERT_EQ(::lseek(proc_.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(list_processes(proc_.get(), 8, DirentLayout::kDirent64, view_).error_code(), EINVAL);
}

TEST_F(DirentsTest, SeeksToAnyEntry) {
  const auto entries = all(32768);
  for (size_t i = 0; i + 1 < entries.size(); ++i) {
    ASSERT_EQ(::lseek(proc_.get(), entries[i].next, SEEK_SET), entries[i].next);
    const auto rest = next(32768);
    ASSERT_FALSE(rest.empty()) << entries[i].name;
    EXPECT_EQ(rest.front().name, entries[i + 1].name);
  }
}

TEST_F(DirentsTest, GoesOnWhereItWasWhileProcessesComeAndGo) {
  ASSERT_GE(::lseek(proc_.get(), 258 + 3, SEEK_SET), 0);
  EXPECT_EQ(names(next(24)), (std::vector<std::string>{"9"}));
  Child late;
  view_.add(10, late.pid());
  children_[1]->end();
  view_.remove(9);
  EXPECT_EQ(names(all(24)), (std::vector<std::string>{"10", "300"}));
}

TEST_F(DirentsTest, LeavesOutWhoIsGoneFromTheHost) {
  children_[1]->end();
  const auto found = names(all(4096));
  EXPECT_EQ(std::count(found.begin(), found.end(), "9"), 0);
  EXPECT_EQ(std::count(found.begin(), found.end(), "300"), 1);
}

TEST_F(DirentsTest, Threads) {
  const UniqueFd task(::open("/proc/self/task", O_RDONLY | O_DIRECTORY));
  const auto list = [&](size_t size) {
    const auto bytes = list_threads(task.get(), ::getpid(), size, DirentLayout::kDirent64, view_);
    return bytes ? names(parse(*bytes, DirentLayout::kDirent64)) : std::vector<std::string>();
  };
  EXPECT_EQ(list(1024), (std::vector<std::string>{".", "..", "1"}));
  EXPECT_TRUE(list(1024).empty());
  ASSERT_EQ(::lseek(task.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(list(24), (std::vector<std::string>{"."}));
  EXPECT_EQ(list(24), (std::vector<std::string>{".."}));
  EXPECT_EQ(list(24), (std::vector<std::string>{"1"}));
  EXPECT_TRUE(list(24).empty());
  EXPECT_EQ(list_threads(task.get(), 4000000, 1024, DirentLayout::kDirent64, view_).error_code(),
            ENOENT);
}

}  // namespace
}  // namespace warren::procfs
