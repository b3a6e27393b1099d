// Slab: memory for many objects of one size, without malloc's header and with no size lookup.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define WARREN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WARREN_ASAN 1
#endif
#endif

namespace warren::kernel {

// Hands out blocks of `size` bytes, aligned to 16. Not thread-safe: its owner's lock guards it.
// Under AddressSanitizer each block is malloc's own, so that use after free is seen.
class Slab {
 public:
  explicit Slab(std::size_t size) : size_((size + 15) / 16 * 16) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (void* chunk : chunks_) ::operator delete(chunk);
#ifdef WARREN_ASAN
    while (void* block = pop()) ::operator delete(block);
#endif
  }

  // Null when memory is out.
  void* allocate() {
    if (free_ == nullptr && !refill()) return nullptr;
    ++live_;
    return pop();
  }
  void free(void* block) {
    --live_;
#ifdef WARREN_ASAN
    ::operator delete(block);
#else
    push(block);
#endif
  }
  // Makes the next `count` calls of allocate() succeed.
  bool reserve(std::size_t count) {
    while (spare_ < count) {
      if (!refill()) return false;
    }
    return true;
  }

  std::size_t block_size() const { return size_; }
  std::size_t live() const { return live_; }
  // Bytes taken from the system.
  std::size_t footprint() const { return footprint_; }

 private:
  struct FreeBlock {
    FreeBlock* next;
  };

  void push(void* block) {
    free_ = new (block) FreeBlock{free_};
    ++spare_;
  }
  void* pop() {
    FreeBlock* block = free_;
    if (block == nullptr) return nullptr;
    free_ = block->next;
    --spare_;
    return block;
  }

  bool refill() {
#ifdef WARREN_ASAN
    void* block = ::operator new(size_, std::nothrow);
    if (block == nullptr) return false;
    push(block);
    return true;
#else
    // Chunks grow with use: a small engine stays small, a large one has few chunks.
    std::size_t count = live_ + spare_;
    const std::size_t most = 256 * 1024 / size_ + 1;
    count = count < 8 ? 8 : (count > most ? most : count);
    auto* chunk = static_cast<std::byte*>(::operator new(count* size_, std::nothrow));
    if (chunk == nullptr) return false;
    try {
      chunks_.push_back(chunk);
    } catch (const std::bad_alloc&) {
      ::operator delete(chunk);
      return false;
    }
    footprint_ += count * size_;
    for (std::size_t i = count; i-- > 0;) push(chunk + i * size_);
    return true;
#endif
  }

  const std::size_t size_;
  FreeBlock* free_ = nullptr;
  std::size_t spare_ = 0;
  std::size_t live_ = 0;
  std::size_t footprint_ = 0;
  std::vector<void*> chunks_;
};

}  // namespace warren::kernel
