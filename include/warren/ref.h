// Ref<T>: a shared reference to an object of the engine. The count is inside the object, so that a
// reference can be made from a plain pointer found under RCU.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace warren {

namespace kernel {
class Core;
}

// Base of all that a Ref can hold. An object whose last reference goes is freed only after an RCU
// grace period, so a lock-free reader that still looks at it comes to no harm. Thread-safe.
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  // Adds a reference. The caller must hold one already.
  void acquire() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  // Adds a reference unless the last one has gone. The caller must hold a reference or be inside a
  // ReadSection that found the object.
  bool try_acquire() const {
    std::uint32_t count = refs_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (refs_.compare_exchange_weak(count, count + 1, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  // Drops one reference; the last one hands the object over for freeing.
  void release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) retire();
  }

 protected:
  enum class Kind : std::uint8_t { kPid, kNamespace, kTask, kGroup };
  RefCounted(Kind kind, kernel::Core* core) : kind_(kind), core_(core) {}
  ~RefCounted() = default;
  kernel::Core* core() const { return core_; }

 private:
  friend class kernel::Core;
  void retire() const;

  mutable std::atomic<std::uint32_t> refs_{1};
  const Kind kind_;
  kernel::Core* const core_;
  mutable RefCounted* retired_next_ = nullptr;  // only once the count is 0
};

// Holds one reference, or none. A Ref itself is a plain value (one thread at a time); the object
// behind it may be shared between threads. Every Ref must be gone before its Kernel is destroyed.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  // Adds a reference to an object that is known to live.
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->acquire();
  }
  explicit Ref(T& object) : Ref(&object) {}
  // Takes over a reference that the caller holds.
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->release();
  }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  // Gives the reference to the caller, who must release() it.
  T* leak() { return std::exchange(object_, nullptr); }

  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }
  friend bool operator==(const Ref& a, const T* b) { return a.object_ == b; }
  friend bool operator==(const Ref& a, std::nullptr_t) { return a.object_ == nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace warren
