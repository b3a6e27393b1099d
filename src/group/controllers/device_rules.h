// DeviceRules: what one group allows of devices, and the rules about rules (Linux:
// security/device_cgroup.c, whose words are kept here: a default behaviour and exceptions to it).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "warren/result.h"

namespace warren::group {

inline constexpr std::uint32_t kAnyNumber = UINT32_MAX;

// Devices of one type whose numbers match, and kinds of access to them (kDeviceRead, …).
struct DeviceException {
  bool block = false;
  std::uint32_t major = kAnyNumber;
  std::uint32_t minor = kAnyNumber;
  unsigned access = 0;
};

// What is written to devices.allow and devices.deny: "a" for everything, "c 1:3 rwm", "b *:* r".
struct DeviceRequest {
  bool everything = false;
  DeviceException exception;
  static Result<DeviceRequest> parse(std::string_view text);  // EINVAL
};

// A plain value.
class DeviceRules {
 public:
  bool allows_by_default() const { return allow_; }
  // Allow, without exceptions: nothing to look up.
  bool trivial() const { return allow_ && exceptions_.empty(); }
  bool allows(bool block, std::uint32_t major, std::uint32_t minor, unsigned access) const;
  // devices.list.
  std::string text() const;

  // Everything, or nothing; no exceptions.
  void reset(bool allow);
  // The exceptions of `parent`, which the default is to allow.
  void allow_as(const DeviceRules& parent);
  // Null: there is none. EPERM: more than the parent has.
  Result<void> allow(const DeviceException& what, const DeviceRules* parent);
  void deny(const DeviceException& what);
  // The parent has just denied `what`.
  void follow_denial(const DeviceException& what, const DeviceRules& top,
                     const DeviceRules& parent);

 private:
  bool matches(const DeviceException& what) const;
  bool matches_partly(const DeviceException& what) const;
  bool lets_child_except(const DeviceException& what, bool child_allows) const;
  void add(const DeviceException& what);
  void remove(const DeviceException& what);

  bool allow_ = true;
  std::vector<DeviceException> exceptions_;
};

}  // namespace warren::group
