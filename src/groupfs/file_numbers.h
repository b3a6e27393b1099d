// FileNumbers: inode numbers for groups and their files.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warren::groupfs {

// An inode number is the group's id and, in the low bits, which file it is, 0 for the directory. So
// it is the same in every mount and at every time. The numbers of the files are given at first
// sight, since subsystems may come later. Owner: GroupMounts. Thread-safe.
class FileNumbers {
 public:
  static constexpr unsigned kBits = 12;

  struct Inode {
    std::uint64_t group;
    unsigned file;
  };
  static std::uint64_t inode(std::uint64_t group, unsigned file) { return group << kBits | file; }
  static Inode parts(std::uint64_t inode) {
    return {inode >> kBits, static_cast<unsigned>(inode & ((1U << kBits) - 1))};
  }

  // Of the file of this name, from 1 on; 0 for "". Nothing: there are 4095 others already.
  std::optional<unsigned> number(std::string_view file) {
    if (file.empty()) return 0;
    const std::lock_guard lock(mutex_);
    if (const auto it = numbers_.find(file); it != numbers_.end()) return it->second;
    if (names_.size() >= 1U << kBits) return std::nullopt;
    numbers_.emplace(file, static_cast<unsigned>(names_.size()));
    names_.emplace_back(file);
    return static_cast<unsigned>(names_.size() - 1);
  }
  // A number that was given.
  std::string name(unsigned number) const {
    const std::lock_guard lock(mutex_);
    return names_.at(number);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, unsigned, std::less<>> numbers_;
  std::vector<std::string> names_{""};
};

}  // namespace warren::groupfs
