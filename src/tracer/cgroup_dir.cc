#include "tracer/cgroup_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

namespace warren::cgroup {

namespace {

// A file that is missing where the directory is there is one that this kernel does not have.
int missing(int directory) {
  return faccessat(directory, "cgroup.procs", F_OK, 0) == 0 ? EOPNOTSUPP : ENODEV;
}

Result<UniqueFd> open_file(int directory, const std::string& file, int flags) {
  UniqueFd fd(openat(directory, file.c_str(), flags | O_CLOEXEC));
  if (fd.ok()) return fd;
  return Errno{errno == ENOENT ? missing(directory) : errno};
}

Result<std::string> read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Errno{errno};
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

// Until nobody lives there or below; the kernel tells by poll(2).
void wait_until_empty(int directory, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  const auto events = open_file(directory, "cgroup.events", O_RDONLY);
  if (!events) return;
  for (;;) {
    const auto text = read_all(events->get());
    if (!text || text->find("populated 0") != std::string::npos) return;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return;
    pollfd wait{events->get(), POLLPRI, 0};
    poll(&wait, 1, static_cast<int>(left.count()));
  }
}

}  // namespace

UniqueFd away_from_low(UniqueFd fd) {
  UniqueFd high(fcntl(fd.get(), F_DUPFD_CLOEXEC, 512));
  return high.ok() ? std::move(high) : std::move(fd);
}

Result<UniqueFd> open_directory(int at, const std::string& path) {
  UniqueFd fd(openat(at, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return Errno{errno};
  return away_from_low(std::move(fd));
}

Result<std::string> read_file(int directory, const std::string& file) {
  const auto fd = open_file(directory, file, O_RDONLY);
  if (!fd) return fd.error();
  return read_all(fd->get());
}

Result<void> write_file(int directory, const std::string& file, std::string_view text) {
  const auto fd = open_file(directory, file, O_WRONLY);
  if (!fd) return fd.error();
  ssize_t written;
  do {
    written = write(fd->get(), text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return Errno{errno};
  return {};
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    if (end > at) words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::vector<std::string> read_words(int directory, const std::string& file) {
  const auto text = read_file(directory, file);
  return text ? words_of(*text) : std::vector<std::string>();
}

std::vector<pid_t> processes(int directory) {
  std::vector<pid_t> all;
  for (const std::string& word : read_words(directory, "cgroup.procs")) {
    all.push_back(static_cast<pid_t>(std::strtol(word.c_str(), nullptr, 10)));
  }
  return all;
}

std::vector<std::string> directories(int directory) {
  std::vector<std::string> names;
  const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(copy), closedir);
  if (!listing) {
    close(copy);
    return names;
  }
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name(entry->d_name);
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

bool populated(int directory) {
  const auto text = read_file(directory, "cgroup.events");
  return !text || text->find("populated 0") == std::string::npos;
}

Result<void> remove_tree(int parent, const std::string& name, int timeout_ms) {
  auto top = open_directory(parent, name);
  if (!top) return top.error_code() == ENOENT ? Result<void>() : top.error();
  if (populated(top->get())) {
    if (auto r = write_file(top->get(), "cgroup.kill", "1"); !r && r.error_code() != ENODEV)
      return r;
    wait_until_empty(top->get(), timeout_ms);
  }
  // Down to a directory with none below it, and up again; a tree may be deep, so neither by
  // recursion nor with a descriptor for each level.
  std::vector<std::vector<std::string>> below = {directories(top->get())};
  UniqueFd at = std::move(*top);
  while (!below.back().empty() || below.size() > 1) {
    const bool down = !below.back().empty();
    auto next = open_directory(at.get(), down ? below.back().back() : "..");
    if (!next) return next.error();
    at = std::move(*next);
    if (down) {
      below.push_back(directories(at.get()));
      continue;
    }
    below.pop_back();
    const std::string& done = below.back().back();
    if (unlinkat(at.get(), done.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return Errno{errno};
    below.back().pop_back();
  }
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return Errno{errno};
  return {};
}

}  // namespace warren::cgroup
