// The host's own loader, which this process has in its memory too.
#include "tracer/loader_calls.h"

#include <gtest/gtest.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "arch/x86_64/loader.h"
#include "inject/layout.h"

namespace warren {
namespace {

struct Part {
  std::uint64_t begin, end;
  bool executable;
};

// Where the loader is in this process.
std::vector<Part> loader_here() {
  std::vector<Part> parts;
  const auto add = [](dl_phdr_info* object, std::size_t, void* to) {
    if (object->dlpi_addr != getauxval(AT_BASE)) return 0;
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const ElfW(Phdr)& part = object->dlpi_phdr[i];
      const std::uint64_t begin = object->dlpi_addr + part.p_vaddr;
      if (part.p_type == PT_LOAD && (part.p_flags & PF_W) == 0) {
        static_cast<std::vector<Part>*>(to)->push_back(
            {begin, begin + part.p_memsz, (part.p_flags & PF_X) != 0});
      }
    }
    return 0;
  };
  dl_iterate_phdr(add, &parts);
  return parts;
}

bool lies_within(const std::vector<Part>& parts, std::uint64_t begin, std::uint64_t end) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const Part& part) { return part.begin <= begin && end <= part.end; });
}

// Whether such a call, of that path, may come from some place in the loader.
bool is_here(const std::vector<Part>& parts, const LoaderCall& call, const std::string& path) {
  for (const Part& part : parts) {
    if (!part.executable) continue;
    for (std::uint64_t page = part.begin / inject::kPage * inject::kPage; page < part.end;
         page += inject::kPage) {
      const std::uint64_t ip = page + call.ip_offset;
      const std::uint64_t text = ip + static_cast<std::uint64_t>(std::int64_t{call.distance});
      if (lies_within(parts, ip - 2, ip) && lies_within(parts, text, text + path.size() + 1) &&
          std::memcmp(reinterpret_cast<const void*>(ip - 2), "\x0f\x05", 2) == 0 &&
          std::memcmp(reinterpret_cast<const void*>(text), path.c_str(), path.size() + 1) == 0) {
        return true;
      }
    }
  }
  return false;
}

TEST(LoaderCalls, AreThoseOfTheLoaderOnThisHost) {
  const std::vector<LoaderCall> calls = find_loader_calls(arch::kLoader, {});
  const std::vector<Part> parts = loader_here();
  ASSERT_FALSE(parts.empty());
  for (const int nr : {SYS_access, SYS_openat}) {
    EXPECT_TRUE(std::any_of(calls.begin(), calls.end(), [&](const LoaderCall& call) {
      return call.nr == nr;
    })) << nr;
  }
  for (const LoaderCall& call : calls) {
    const bool first = call.nr == SYS_access;
    EXPECT_EQ(call.argument, first ? 0 : 1);
    EXPECT_TRUE(is_here(parts, call, first ? "/etc/ld.so.preload" : "/etc/ld.so.cache"))
        << call.nr << " at " << std::hex << call.ip_offset;
  }
}

// Those of this process's: the loader keeps the names by which it has opened them.
TEST(LoaderCalls, LibrariesAreOpenedByNamesInItsFirstMemory) {
  const auto below = below_loader();
  ASSERT_TRUE(below);
  const std::vector<LoaderCall> calls = find_loader_calls(arch::kLoader, below);
  const std::vector<Part> parts = loader_here();
  std::vector<std::uint64_t> names;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* to) {
        if (object->dlpi_name[0] == '/' && object->dlpi_addr != getauxval(AT_BASE)) {
          static_cast<std::vector<std::uint64_t>*>(to)->push_back(
              reinterpret_cast<std::uint64_t>(object->dlpi_name));
        }
        return 0;
      },
      &names);
  ASSERT_FALSE(names.empty());
  const std::uint64_t name = names[0];
  EXPECT_TRUE(std::any_of(calls.begin(), calls.end(), [&](const LoaderCall& call) {
    if (call.size == 1) return false;
    EXPECT_EQ(call.nr, SYS_openat);
    EXPECT_EQ(call.argument, 1);
    for (const Part& part : parts) {
      for (std::uint64_t page = part.begin; page < part.end; page += inject::kPage) {
        const std::uint64_t begin =
            page + call.ip_offset + static_cast<std::uint64_t>(std::int64_t{call.distance});
        if (name - begin < call.size) return true;
      }
    }
    return false;
  }));
}

TEST(LoaderCalls, AFileThatIsNoLoaderHasNone) {
  EXPECT_TRUE(find_loader_calls("/nonexistent", 0).empty());
  EXPECT_TRUE(find_loader_calls("/", 0).empty());
  EXPECT_TRUE(find_loader_calls("/dev/null", 0).empty());
  EXPECT_TRUE(find_loader_calls("/etc/passwd", 0).empty());
  EXPECT_TRUE(find_loader_calls("/bin/true", 0).empty());
}

TEST(LoaderCalls, ADamagedFileIsReadWithinItsBounds) {
  std::ifstream whole(arch::kLoader, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  const std::string path = testing::TempDir() + "/loader-" + std::to_string(getpid());
  for (std::size_t size = 0; size < bytes.size(); size = size * 3 / 2 + 7) {
    std::ofstream(path, std::ios::binary) << bytes.substr(0, size);
    EXPECT_TRUE(find_loader_calls(path.c_str(), 0).empty()) << size;
  }
  for (std::size_t at = 0; at < 1024; ++at) {
    std::string damaged = bytes;
    damaged[at] = '\xff';
    std::ofstream(path, std::ios::binary) << damaged;
    (void)find_loader_calls(path.c_str(), 0);  // whatever it finds, under ASan
  }
  std::remove(path.c_str());
}

}  // namespace
}  // namespace warren
