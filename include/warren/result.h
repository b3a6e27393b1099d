// Results of calls that can fail: a value, or an errno that says why not.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <variant>

namespace warren {

// An errno value, as a type of its own, so that a Result<int> cannot be confused with an error.
struct [[nodiscard]] Errno {
  int value;  // EPERM, ESRCH, ...; never 0
  friend bool operator==(Errno, Errno) = default;
};

// The value of a call, or the Errno that it failed with. Not thread-safe, like any value.
//
//   Result<Nr> nr = allocator.allocate();
//   if (!nr) return nr.error();
//   use(*nr);
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Errno error) : state_(std::in_place_index<1>, error) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // The errno; 0 when there is a value.
  int error_code() const { return ok() ? 0 : std::get<1>(state_).value; }
  // Broken invariant (abort) when there is a value.
  Errno error() const {
    if (ok()) std::abort();
    return std::get<1>(state_);
  }

  // Broken invariant (abort) when there is none.
  T& value() & {
    if (!ok()) std::abort();
    return std::get<0>(state_);
  }
  const T& value() const& {
    if (!ok()) std::abort();
    return std::get<0>(state_);
  }
  T&& value() && {
    if (!ok()) std::abort();
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Errno> state_;
};

// A call that yields nothing but success or an errno.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Errno error) : error_(error.value) {}

  bool ok() const { return error_ == 0; }
  explicit operator bool() const { return ok(); }
  int error_code() const { return error_; }
  Errno error() const {
    if (ok()) std::abort();
    return Errno{error_};
  }

 private:
  int error_ = 0;
};

}  // namespace warren
