// The three tables that are compared. Each keeps pids in a chain of namespaces, level 0 first,
// gives numbers cyclically, and finds a pid by number in one namespace:
//
//   Chain(levels, pid_max)   makes the namespaces
//   allocate() -> Handle     a pid of the innermost level
//   free(Handle)
//   number(Handle)           its number at level 0
//   find(nr) -> bool         looks a number up at level 0
//   occupy(nr)               marks a level 0 number as taken, with nothing behind it
#pragma once

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kernel/core.h"
#include "warren/kernel.h"

namespace warren::bench {

// What the engine does for a pid, without the task around it.
class EngineTable {
 public:
  using Handle = kernel::PidImpl*;

  EngineTable(int levels, Nr pid_max) {
    KernelOptions options;
    options.pid_max = pid_max;
    core_ = std::make_unique<kernel::Core>(options);
    MutexLock lock(core_->tasklist);
    core_->root = core_->new_namespace(nullptr, 1, pid_max);
    innermost_ = core_->root;
    found(innermost_);
    for (int i = 1; i < levels; ++i) {
      kernel::NamespaceImpl* ns = core_->new_namespace(innermost_, 0, pid_max);
      if (i > 1) innermost_->release();  // the child holds it
      innermost_ = ns;
      found(ns);
    }
  }
  ~EngineTable() {
    MutexLock lock(core_->tasklist);
    for (kernel::NamespaceImpl* ns = innermost_; ns != nullptr; ns = ns->up) {
      ns->child_reaper.store(nullptr);
    }
    if (innermost_ != core_->root) innermost_->release();
  }

  Handle allocate() { return allocate_in(innermost_); }
  Handle allocate_in(kernel::NamespaceImpl* ns) {
    kernel::Core::Writer lock(*core_);
    Handle pid = core_->new_pid(ns->depth);
    if (core_->reserve_numbers(ns, {}, pid) != 0) std::abort();
    core_->publish_numbers(pid);
    return pid;
  }
  void free(Handle pid) {
    {
      kernel::Core::Writer lock(*core_);
      core_->free_numbers(pid);
    }
    pid->release();
  }
  Nr number(Handle pid) const { return pid->array()->upids()[0].nr; }
  // As Kernel::lookup_pid() in a read section.
  bool find(Nr nr) const {
    kernel::RcuGuard guard;
    return core_->root->numbers.lookup(nr) != nullptr;
  }
  // As Kernel::find_pid(): with a reference of one's own.
  bool find_ref(Nr nr) const {
    kernel::RcuGuard guard;
    kernel::PidImpl* pid = core_->root->numbers.lookup(nr);
    if (pid == nullptr || !pid->try_acquire()) return false;
    pid->release();
    return true;
  }
  void occupy(Nr nr) {
    MutexLock lock(core_->tasklist);
    if (core_->root->numbers.take(nr, core_->nodes) != 0) std::abort();
  }

  kernel::NamespaceImpl* new_namespace(kernel::NamespaceImpl* parent) {
    MutexLock lock(core_->tasklist);
    kernel::NamespaceImpl* ns = core_->new_namespace(parent, 0, parent->numbers.pid_max());
    found(ns);
    return ns;
  }
  kernel::NamespaceImpl* innermost() const { return innermost_; }
  std::size_t footprint() const {
    MutexLock lock(core_->tasklist);
    return core_->footprint();
  }

 private:
  // Pids without tasks have no init; any address says that there is one.
  static void found(kernel::NamespaceImpl* ns) {
    static char init;
    ns->child_reaper.store(reinterpret_cast<kernel::GroupImpl*>(&init));
  }
  std::unique_ptr<kernel::Core> core_;
  kernel::NamespaceImpl* innermost_;
};

// The obvious way: a std::map for each namespace, one mutex round everything.
class MapTable {
 public:
  struct MapPid {
    std::vector<Nr> numbers;
  };
  using Handle = MapPid*;

  MapTable(int levels, Nr pid_max) : spaces_(static_cast<std::size_t>(levels)), pid_max_(pid_max) {}
  ~MapTable() {
    for (auto [nr, pid] : spaces_[0].pids) delete pid;
  }
  Handle allocate() {
    std::lock_guard lock(mutex_);
    auto* pid = new MapPid;
    pid->numbers.resize(spaces_.size());
    for (std::size_t i = spaces_.size(); i-- > 0;) {
      Space& space = spaces_[i];
      Nr nr = space.last + 1;
      while (nr >= pid_max_ || space.pids.contains(nr))
        nr = nr + 1 >= pid_max_ ? kReservedPids : nr + 1;
      space.last = nr;
      space.pids.emplace(nr, pid);
      pid->numbers[i] = nr;
    }
    return pid;
  }
  void free(Handle pid) {
    std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < spaces_.size(); ++i) spaces_[i].pids.erase(pid->numbers[i]);
    delete pid;
  }
  Nr number(Handle pid) const { return pid->numbers[0]; }
  bool find(Nr nr) const {
    std::lock_guard lock(mutex_);
    return spaces_[0].pids.contains(nr);
  }
  void occupy(Nr nr) { spaces_[0].pids.emplace(nr, nullptr); }

 private:
  struct Space {
    std::map<Nr, MapPid*> pids;
    Nr last = 0;
  };
  std::vector<Space> spaces_;
  const Nr pid_max_;
  mutable std::mutex mutex_;
};

// The seeds' way: a bitmap for each namespace, scanned linearly from the last number, with a count
// of free numbers for each page; one hash table of numbers; one mutex.
class PidmapTable {
 public:
  struct MapPid;
  struct Entry {
    Nr nr;
    std::size_t space;
    Entry* next;
    MapPid* pid;
  };
  struct MapPid {
    explicit MapPid(std::size_t levels) : entries(levels) {}
    std::vector<Entry> entries;
  };
  using Handle = MapPid*;

  PidmapTable(int levels, Nr pid_max)
      : spaces_(static_cast<std::size_t>(levels)), pid_max_(pid_max), hash_(kBuckets) {}
  ~PidmapTable() {
    for (Entry* entry : hash_) {
      while (entry != nullptr) {
        Entry* next = entry->next;
        if (entry->space == 0) doomed_.push_back(entry->pid);
        entry = next;
      }
    }
    for (MapPid* pid : doomed_) delete pid;
  }

  Handle allocate() {
    std::lock_guard lock(mutex_);
    auto* pid = new MapPid(spaces_.size());
    for (std::size_t i = spaces_.size(); i-- > 0;) {
      const Nr nr = take_next(spaces_[i]);
      Entry*& bucket = hash_[slot(i, nr)];
      pid->entries[i] = Entry{nr, i, bucket, pid};
      bucket = &pid->entries[i];
    }
    return pid;
  }
  void free(Handle pid) {
    std::lock_guard lock(mutex_);
    for (Entry& entry : pid->entries) {
      Entry** at = &hash_[slot(entry.space, entry.nr)];
      while (*at != &entry) at = &(*at)->next;
      *at = entry.next;
      Page& page = spaces_[entry.space].pages[static_cast<std::size_t>(entry.nr) / kBits];
      page.words[static_cast<std::size_t>(entry.nr) % kBits / 64] &= ~(1ull << (entry.nr % 64));
      ++page.nr_free;
    }
    delete pid;
  }
  Nr number(Handle pid) const { return pid->entries[0].nr; }
  bool find(Nr nr) const {
    std::lock_guard lock(mutex_);
    for (const Entry* entry = hash_[slot(0, nr)]; entry != nullptr; entry = entry->next) {
      if (entry->nr == nr && entry->space == 0) return true;
    }
    return false;
  }
  void occupy(Nr nr) { set(spaces_[0], nr); }

 private:
  static constexpr std::size_t kBits = 4096 * 8;
  static constexpr std::size_t kBuckets = 4096;  // the most that the old kernel took
  struct Page {
    std::unique_ptr<std::uint64_t[]> words;
    std::size_t nr_free = kBits;
  };
  struct Space {
    std::vector<Page> pages;
    Nr last = 0;
  };

  static std::size_t slot(std::size_t space, Nr nr) {
    return (static_cast<std::size_t>(nr) * 0x9E3779B97F4A7C15ull + space * 0x85EBCA6Bull) >> 52 &
           (kBuckets - 1);
  }
  static Page& page_of(Space& space, Nr nr) {
    const std::size_t index = static_cast<std::size_t>(nr) / kBits;
    if (space.pages.size() <= index) space.pages.resize(index + 1);
    Page& page = space.pages[index];
    if (page.words == nullptr) page.words = std::make_unique<std::uint64_t[]>(kBits / 64);
    return page;
  }
  static void set(Space& space, Nr nr) {
    Page& page = page_of(space, nr);
    page.words[static_cast<std::size_t>(nr) % kBits / 64] |= 1ull << (nr % 64);
    --page.nr_free;
  }
  Nr take_next(Space& space) const {
    Nr nr = space.last + 1;
    while (true) {
      if (nr >= pid_max_) nr = kReservedPids;
      Page& page = page_of(space, nr);
      const std::size_t base = static_cast<std::size_t>(nr) / kBits * kBits;
      if (page.nr_free > 0) {
        // Word by word, as find_next_zero_bit() does.
        std::size_t bit = static_cast<std::size_t>(nr) % kBits;
        for (std::size_t word = bit / 64; word < kBits / 64; ++word) {
          std::uint64_t open = ~page.words[word];
          if (word == bit / 64) open &= ~0ull << (bit % 64);
          if (open == 0) continue;
          nr = static_cast<Nr>(base + word * 64 + static_cast<std::size_t>(__builtin_ctzll(open)));
          if (nr >= pid_max_) break;
          set(space, nr);
          return space.last = nr;
        }
      }
      nr = static_cast<Nr>(base + kBits);
    }
  }

  std::vector<Space> spaces_;
  const Nr pid_max_;
  std::vector<Entry*> hash_;
  std::vector<MapPid*> doomed_;
  mutable std::mutex mutex_;
};

}  // namespace warren::bench
