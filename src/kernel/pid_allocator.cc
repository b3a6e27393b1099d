#include "kernel/pid_allocator.h"

#include <bit>
#include <cerrno>

namespace warren::kernel {
namespace {

constexpr std::uint64_t bit(int index) { return std::uint64_t{1} << index; }
constexpr std::uint64_t kAll = ~std::uint64_t{0};

int index_in(const PidNode* node, Nr nr) {
  return static_cast<int>((static_cast<std::uint32_t>(nr) >> node->shift) & 63);
}

PidNode* child_of(const PidNode* node, int index) {
  return static_cast<PidNode*>(node->slots[index].load(std::memory_order_relaxed));
}

bool covers(const PidNode* root, std::int64_t nr) { return (nr >> root->shift) < 64; }

}  // namespace

PidNode* PidNodePool::create(int shift) {
  void* block = slab_.allocate();
  return block == nullptr ? nullptr : new (block) PidNode(shift);
}

void PidNodePool::retire(PidNode* node) {
  node->up = retired_;
  retired_ = node;
}

void PidNodePool::destroy(PidNode* node) {
  node->~PidNode();
  slab_.free(node);
}

PidNode* PidNodePool::take_retired() {
  PidNode* chain = retired_;
  retired_ = nullptr;
  return chain;
}

PidNode* PidAllocator::find_leaf(Nr nr) const {
  PidNode* node = root_.load(std::memory_order_relaxed);
  if (nr <= 0 || node == nullptr || !covers(node, nr)) return nullptr;
  while (node != nullptr && node->shift != 0) node = child_of(node, index_in(node, nr));
  return node;
}

// Marks a free number of a leaf, and every subtree that thereby became full.
void PidAllocator::fill(PidNode* leaf, Nr nr) {
  for (PidNode* node = leaf; node != nullptr; node = node->up) {
    node->full |= bit(index_in(node, nr));
    if (node->full != kAll) break;
  }
  used_.store(used_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

bool PidAllocator::taken(Nr nr) const {
  const PidNode* leaf = leaf_of(nr);
  return leaf != nullptr && (leaf->full & bit(nr & 63)) != 0;
}

// The first free number in [from, limit), or 0. Each turn of the outer loop goes down from the root
// to a leaf, or skips to the right of a subtree that has no free number left from here on; there
// are at most two turns for each level.
Nr PidAllocator::find_free(Nr from, Nr limit, PidNode** leaf) const {
  PidNode* root = root_.load(std::memory_order_relaxed);
  std::int64_t nr = from;
  while (nr < limit) {
    *leaf = nullptr;
    if (root == nullptr || !covers(root, nr)) return static_cast<Nr>(nr);
    PidNode* node = root;
    while (true) {
      const int index = static_cast<int>((nr >> node->shift) & 63);
      const std::uint64_t open = ~node->full & (kAll << index);
      if (open == 0) {
        const int above = node->shift + 6;
        nr = ((nr >> above) + 1) << above;
        break;
      }
      const int next = std::countr_zero(open);
      if (next != index) {
        const std::int64_t step = std::int64_t{1} << node->shift;
        nr = ((nr >> node->shift) - index + next) * step;
      }
      if (node->shift == 0) {
        *leaf = node;
        return nr < limit ? static_cast<Nr>(nr) : 0;
      }
      node = child_of(node, next);
      if (node == nullptr) return nr < limit ? static_cast<Nr>(nr) : 0;
    }
  }
  return 0;
}

// Takes a free number, making the nodes that it needs. ENOMEM leaves the tree as it was, but for
// empty nodes that the next use fills.
int PidAllocator::mark(Nr nr, PidNodePool& pool) {
  PidNode* root = root_.load(std::memory_order_relaxed);
  if (root == nullptr) {
    int shift = 0;
    while ((static_cast<std::int64_t>(nr) >> shift) > 63) shift += 6;
    root = pool.create(shift);
    if (root == nullptr) return ENOMEM;
    root_.store(root, std::memory_order_release);
  }
  while (!covers(root, nr)) {
    PidNode* higher = pool.create(root->shift + 6);
    if (higher == nullptr) return ENOMEM;
    higher->present = 1;
    higher->full = root->full == kAll ? 1 : 0;
    higher->slots[0].store(root, std::memory_order_relaxed);
    root->up = higher;
    root_.store(higher, std::memory_order_release);
    root = higher;
  }
  PidNode* node = root;
  while (node->shift != 0) {
    const int index = index_in(node, nr);
    PidNode* child = child_of(node, index);
    if (child == nullptr) {
      child = pool.create(node->shift - 6);
      if (child == nullptr) return ENOMEM;
      child->up = node;
      node->slots[index].store(child, std::memory_order_release);
      node->present |= bit(index);
    }
    node = child;
  }
  fill(node, nr);
  return 0;
}

// In a nearly full table each number comes from another leaf; this one the next will come from.
void PidAllocator::prefetch_next(const PidNode* leaf, Nr nr) {
  const PidNode* above = leaf->up;
  if (above == nullptr) return;
  const std::uint64_t later = ~above->full & (kAll - 1) << index_in(above, nr);
  if (later != 0) __builtin_prefetch(child_of(above, std::countr_zero(later)));
}

Nr PidAllocator::allocate(PidNodePool& pool) {
  const Nr last = last_.load(std::memory_order_relaxed);
  const Nr limit = pid_max();
  Nr from = last + 1;
  if (from >> 6 == recent_part_ && from < limit) {
    // Most often there is a free number in the same leaf, and the leaf does not become full.
    const std::uint64_t open = ~recent_leaf_->full & (kAll << (from & 63));
    const std::uint64_t lowest_open = open & (~open + 1);
    const Nr nr = (from & ~63) | std::countr_zero(open);
    if (open != 0 && nr < limit && (recent_leaf_->full | lowest_open) != kAll) {
      recent_leaf_->full |= lowest_open;
      used_.store(used_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      last_.store(nr, std::memory_order_relaxed);
      return nr;
    }
    if (open == 0) from = (from & ~63) + 64;
  }
  const Nr lowest = last + 1 > kReservedPids ? kReservedPids : 1;
  PidNode* leaf = nullptr;
  Nr nr = find_free(from, limit, &leaf);
  if (nr == 0 && last + 1 > lowest) nr = find_free(lowest, limit, &leaf);
  if (nr == 0) return 0;
  if (leaf != nullptr) {
    __builtin_prefetch(&leaf->slots[nr & 63], 1);  // publish() will write there
    fill(leaf, nr);
    prefetch_next(leaf, nr);
  } else {
    if (mark(nr, pool) != 0) return -1;
    leaf = find_leaf(nr);
  }
  drop_idle_leaf(nr, pool);
  last_.store(nr, std::memory_order_relaxed);
  recent_leaf_ = leaf;
  recent_part_ = nr >> 6;
  return nr;
}

int PidAllocator::take(Nr nr, PidNodePool& pool) {
  if (nr < 1 || nr >= pid_max()) return EINVAL;
  return take_any(nr, pool);
}

int PidAllocator::take_any(Nr nr, PidNodePool& pool) {
  if (nr < 1) return EINVAL;
  return taken(nr) ? EEXIST : mark(nr, pool);
}

void PidAllocator::publish(Nr nr, PidImpl* pid) {
  leaf_of(nr)->slots[nr & 63].store(pid, std::memory_order_release);
}

void PidAllocator::release(Nr nr, PidNodePool& pool) {
  PidNode* leaf = leaf_of(nr);
  leaf->slots[nr & 63].store(nullptr, std::memory_order_release);
  bool was_full = true;
  for (PidNode* node = leaf; node != nullptr && was_full; node = node->up) {
    was_full = node->full == kAll;
    node->full &= ~bit(index_in(node, nr));
  }
  used_.store(used_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  // The leaf of the last number given stays, for the next one will very likely need it.
  if (leaf->full == 0 && (nr >> 6) != (last() >> 6)) prune(leaf, nr, pool);
}

// Unlinks an empty leaf, and the nodes above it that thereby become empty.
void PidAllocator::prune(PidNode* leaf, Nr nr, PidNodePool& pool) {
  if (leaf == recent_leaf_) {
    recent_leaf_ = nullptr;
    recent_part_ = -1;
  }
  for (PidNode* node = leaf; node != nullptr && node->empty();) {
    PidNode* parent = node->up;
    if (parent == nullptr) {
      root_.store(nullptr, std::memory_order_release);
    } else {
      const int index = index_in(parent, nr);
      parent->slots[index].store(nullptr, std::memory_order_release);
      parent->present &= ~bit(index);
    }
    pool.retire(node);
    node = parent;
  }
}

// The leaf of the last number may have become empty while it was kept for the next.
void PidAllocator::drop_idle_leaf(Nr now, PidNodePool& pool) {
  const Nr last = last_.load(std::memory_order_relaxed);
  if ((last >> 6) == (now >> 6)) return;
  PidNode* leaf = leaf_of(last);
  if (leaf != nullptr && leaf->full == 0) prune(leaf, last, pool);
}

void PidAllocator::set_last(Nr nr, PidNodePool& pool) {
  drop_idle_leaf(nr, pool);
  last_.store(nr, std::memory_order_relaxed);
}

PidImpl* PidAllocator::next(Nr from, Nr* found) const {
  const PidNode* root = root_.load(std::memory_order_relaxed);
  std::int64_t nr = from;
  while (root != nullptr && covers(root, nr)) {
    const PidNode* node = root;
    while (true) {
      const int index = static_cast<int>((nr >> node->shift) & 63);
      const std::uint64_t word = node->shift == 0 ? node->full : node->present;
      const std::uint64_t here = word & (kAll << index);
      if (here == 0) {
        const int above = node->shift + 6;
        nr = ((nr >> above) + 1) << above;
        break;
      }
      const int next = std::countr_zero(here);
      if (next != index) {
        nr = ((nr >> node->shift) - index + next) * (std::int64_t{1} << node->shift);
      }
      void* slot = node->slots[next].load(std::memory_order_relaxed);
      if (node->shift != 0) {
        node = static_cast<const PidNode*>(slot);
        continue;
      }
      if (slot != nullptr) {
        *found = static_cast<Nr>(nr);
        return static_cast<PidImpl*>(slot);
      }
      ++nr;  // reserved, not published
      break;
    }
  }
  return nullptr;
}

void PidAllocator::destroy_nodes(PidNodePool& pool) {
  // Depth first without recursion: an emptied node leads back to its parent on the path.
  PidNode* root = root_.exchange(nullptr, std::memory_order_relaxed);
  if (root == nullptr) return;
  PidNode* stack[kMaxDepth] = {root};
  int depth = 0;
  while (depth >= 0) {
    PidNode* node = stack[depth];
    if (node->shift != 0 && node->present != 0) {
      const int index = std::countr_zero(node->present);
      node->present &= ~bit(index);
      stack[++depth] = child_of(node, index);
      continue;
    }
    pool.destroy(node);
    --depth;
  }
}

}  // namespace warren::kernel
