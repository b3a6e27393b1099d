// PidAllocator: the numbers of one namespace, which are taken, and whose they are.
#pragma once

#include <atomic>
#include <cstdint>

#include "kernel/slab.h"
#include "warren/types.h"

namespace warren::kernel {

class PidImpl;

// One node of the tree: 64 numbers, or 64 nodes of the level below.
struct PidNode {
  std::uint64_t full = 0;             // leaf: number taken; inner: the child there is full
  std::uint64_t present = 0;          // inner: there is a child
  PidNode* up = nullptr;              // the parent; once retired, the next on the list
  const std::uint8_t shift;           // 0 in a leaf, 6 above it, ...
  std::atomic<void*> slots[64] = {};  // leaf: PidImpl*, null while only reserved; inner: PidNode*
  explicit PidNode(int s) : shift(static_cast<std::uint8_t>(s)) {}
  bool empty() const { return shift == 0 ? full == 0 : present == 0; }
};

// Memory of the nodes of all namespaces. A node that was unlinked is freed after a grace period,
// for readers may still stand in it. Guarded by the tasklist lock.
class PidNodePool {
 public:
  PidNodePool() : slab_(sizeof(PidNode)) {}
  PidNode* create(int shift);  // null: out of memory
  void retire(PidNode* node);
  // Frees at once a node that no reader has seen.
  void destroy(PidNode* node);
  // Gives the caller the chain of retired nodes.
  PidNode* take_retired();
  bool reserve(std::size_t count) { return slab_.reserve(count); }
  const Slab& slab() const { return slab_; }

 private:
  Slab slab_;
  PidNode* retired_ = nullptr;
};

// Why: giving a number, finding whose it is and listing them in order are all one tree, of nodes 64
// wide: a word tells which numbers of a leaf are taken, the word above which leaves are full, and
// so on, so that the next free number is found in O(log n) however full the namespace is. Only used
// parts of it exist.
// Numbers go up from the last one given; past the limit they start again at kReservedPids, so one
// that was just freed is not given again at once.
// Guarded by the tasklist lock, except lookup() and the counters, which are lock-free.
class PidAllocator {
 public:
  // The most nodes that one taken number can need.
  static constexpr std::size_t kMaxDepth = 6;

  explicit PidAllocator(Nr pid_max) : pid_max_(pid_max) {}

  // The next free number; 0 when all are taken, -1 when memory is out.
  Nr allocate(PidNodePool& pool);
  // Takes this number: 0, or EINVAL (not in 1..pid_max-1), EEXIST, ENOMEM. The cursor stays.
  int take(Nr nr, PidNodePool& pool);
  // The same without regard to the limit.
  int take_any(Nr nr, PidNodePool& pool);
  // Lets readers find a taken number.
  void publish(Nr nr, PidImpl* pid);
  // Takes the Pid away from readers, the number stays taken.
  void unpublish(Nr nr) { publish(nr, nullptr); }
  // Frees a taken number.
  void release(Nr nr, PidNodePool& pool);
  // Whether the number is taken, be it only reserved.
  bool taken(Nr nr) const;

  // Whose number it is; null when free or only reserved. Lock-free: to be called in a read section
  // or with the lock.
  PidImpl* lookup(Nr nr) const {
    if (nr <= 0) return nullptr;
    const auto number = static_cast<std::uint32_t>(nr);
    const PidNode* node = root_.load(std::memory_order_acquire);
    if (node == nullptr || (static_cast<std::uint64_t>(number) >> node->shift) > 63) return nullptr;
    while (true) {
      void* slot = node->slots[(number >> node->shift) & 63].load(std::memory_order_acquire);
      if (node->shift == 0 || slot == nullptr) return static_cast<PidImpl*>(slot);
      node = static_cast<const PidNode*>(slot);
    }
  }
  // The same, for those who hold the lock.
  PidImpl* owner(Nr nr) const {
    const PidNode* leaf = leaf_of(nr);
    return leaf == nullptr
               ? nullptr
               : static_cast<PidImpl*>(leaf->slots[nr & 63].load(std::memory_order_relaxed));
  }
  // The first published number at or above `from`; null at the end.
  PidImpl* next(Nr from, Nr* nr) const;

  Nr last() const { return last_.load(std::memory_order_relaxed); }
  void set_last(Nr nr, PidNodePool& pool);
  Nr pid_max() const { return pid_max_.load(std::memory_order_relaxed); }
  void set_pid_max(Nr limit) { pid_max_.store(limit, std::memory_order_relaxed); }
  int used() const { return used_.load(std::memory_order_relaxed); }

  // Frees the nodes of a namespace that nobody can reach any more.
  void destroy_nodes(PidNodePool& pool);

 private:
  PidNode* leaf_of(Nr nr) const {
    return nr >> 6 == recent_part_ && nr > 0 ? recent_leaf_ : find_leaf(nr);
  }
  PidNode* find_leaf(Nr nr) const;
  Nr find_free(Nr from, Nr limit, PidNode** leaf) const;
  void fill(PidNode* leaf, Nr nr);
  static void prefetch_next(const PidNode* leaf, Nr nr);
  int mark(Nr nr, PidNodePool& pool);
  void prune(PidNode* leaf, Nr nr, PidNodePool& pool);
  void drop_idle_leaf(Nr now, PidNodePool& pool);

  std::atomic<PidNode*> root_{nullptr};
  // The leaf of the number given last, for that is where the next thing happens most often.
  PidNode* recent_leaf_ = nullptr;
  Nr recent_part_ = -1;  // its numbers, divided by 64
  std::atomic<Nr> last_{0};
  std::atomic<Nr> pid_max_;
  std::atomic<int> used_{0};
};

}  // namespace warren::kernel
