// Directories of the kernel's cgroups v2: their files, and how a tree of them goes.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::cgroup {

// The same descriptor above the low numbers, which a program that is about to start needs for
// itself: it may have a small RLIMIT_NOFILE already.
UniqueFd away_from_low(UniqueFd fd);
// A directory itself, by such a descriptor; for openat(2) and its like. Errors: open(2)'s.
Result<UniqueFd> open_directory(int at, const std::string& path);

// The whole text of a file, or what one write(2) to it says. Errors: the kernel's for that file;
// ENODEV: the directory was removed, EOPNOTSUPP: it has no such file.
Result<std::string> read_file(int directory, const std::string& file);
Result<void> write_file(int directory, const std::string& file, std::string_view text);

std::vector<std::string> words_of(std::string_view text);
// The words of a file such as cgroup.controllers; none if it cannot be read.
std::vector<std::string> read_words(int directory, const std::string& file);
// The processes in the directory itself. One that this pid namespace has no number for is 0.
std::vector<pid_t> processes(int directory);

// The directories below; none if it cannot be read.
std::vector<std::string> directories(int directory);
// Whether somebody lives in the directory or below it.
bool populated(int directory);
// Kills everybody in `name` and below, waits for them to be gone (at most `timeout_ms`), and
// removes it with all that is below. What has gone already is no error. EBUSY: somebody does not
// die.
Result<void> remove_tree(int parent, const std::string& name, int timeout_ms);

}  // namespace warren::cgroup
