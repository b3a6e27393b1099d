// What a host may lack although warren runs there: each is found out by doing it, once, and can be
// switched off, so that what happens without it can be seen on any host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace warren {

enum class HostFeature : std::uint8_t {
  kSyncWakeup,  // a notified call wakes the supervisor on its own core: Linux 6.6
  kLandlock,    // scopes of landlock(7), which keep guests from tracing who is outside: Linux 6.12
  kPidfdEpoll,  // an epoll set tells that a process has ended, and that it was reaped: Linux 6.9
  kPidfdSelf,   // a process can signal itself without naming itself
};

// The first Landlock ABI with scopes.
inline constexpr int kLandlockScopeAbi = 6;

// Not thread-safe: it belongs to a command, before that has threads. Synchronous wake-up is found
// out where there is a listener, which only a process with a filter for good has: by
// set_synchronous_wakeup() and, for `warren doctor`, by a child.
class HostFeatures {
 public:
  // Does without the features that are named in the list, with commas between them; an empty one
  // names none. The first that is no feature, if any: then nothing has changed.
  std::optional<std::string> switch_off(std::string_view list);
  bool is_off(HostFeature feature) const { return (off_ & bit(feature)) != 0; }
  // All names, in the words of an error: "a, b or c".
  static std::string names();

  // 0: none, with the reason in `error` if given (EOPNOTSUPP where it is switched off).
  int landlock_abi(int* error = nullptr);
  bool has_landlock_scopes() { return landlock_abi() >= kLandlockScopeAbi; }
  // 0 or an errno: EOPNOTSUPP where nobody tells that a process was reaped. Forks.
  int pidfd_epoll_error();
  // 0 or an errno.
  int pidfd_self_error() const;

 private:
  static std::uint8_t bit(HostFeature feature) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(feature));
  }

  struct Landlock {
    int abi, error;
  };
  std::uint8_t off_ = 0;
  std::optional<Landlock> landlock_;
  std::optional<int> pidfd_epoll_error_;
};

}  // namespace warren
