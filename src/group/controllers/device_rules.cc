#include "group/controllers/device_rules.h"

#include <algorithm>

#include "warren/device_access.h"

namespace warren::group {
namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool take_blank(std::string_view& text) {
  if (text.empty() || !is_blank(text.front())) return false;
  text.remove_prefix(1);
  return true;
}

// "*", or decimal digits that fit 32 bits.
bool take_number(std::string_view& text, std::uint32_t& number) {
  if (text.starts_with('*')) {
    text.remove_prefix(1);
    number = kAnyNumber;
    return true;
  }
  std::uint64_t value = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && is_digit(text[digits]); ++digits) {
    value = value * 10 + static_cast<std::uint64_t>(text[digits] - '0');
    if (value > UINT32_MAX) return false;
  }
  text.remove_prefix(digits);
  number = static_cast<std::uint32_t>(value);
  return digits > 0;
}

unsigned access_of(char c) {
  return c == 'r' ? kDeviceRead : c == 'w' ? kDeviceWrite : c == 'm' ? kDeviceMake : 0;
}

bool same_devices(const DeviceException& a, const DeviceException& b) {
  return a.block == b.block && a.major == b.major && a.minor == b.minor;
}

std::string number_text(std::uint32_t number) {
  return number == kAnyNumber ? std::string("*") : std::to_string(number);
}

}  // namespace

Result<DeviceRequest> DeviceRequest::parse(std::string_view text) {
  DeviceRequest request;
  if (text.empty()) return Errno{EINVAL};
  const char type = text.front();
  // What follows "a" is not looked at, as in Linux: its own text for it is "a *:* rwm".
  if (type == 'a') {
    request.everything = true;
    return request;
  }
  if (type != 'b' && type != 'c') return Errno{EINVAL};
  DeviceException& what = request.exception;
  what.block = type == 'b';
  text.remove_prefix(1);
  if (!take_blank(text) || !take_number(text, what.major)) return Errno{EINVAL};
  if (!text.starts_with(':')) return Errno{EINVAL};
  text.remove_prefix(1);
  if (!take_number(text, what.minor) || !take_blank(text)) return Errno{EINVAL};
  for (std::size_t i = 0; i < 3 && i < text.size() && text[i] != '\n'; ++i) {
    const unsigned access = access_of(text[i]);
    if (access == 0) return Errno{EINVAL};
    what.access |= access;
  }
  return request;
}

bool DeviceRules::matches(const DeviceException& what) const {
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const DeviceException& e) {
    return e.block == what.block && (e.major == kAnyNumber || e.major == what.major) &&
           (e.minor == kAnyNumber || e.minor == what.minor) && (what.access & ~e.access) == 0;
  });
}

bool DeviceRules::matches_partly(const DeviceException& what) const {
  const auto overlap = [](std::uint32_t a, std::uint32_t b) {
    return a == kAnyNumber || b == kAnyNumber || a == b;
  };
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const DeviceException& e) {
    return e.block == what.block && overlap(e.major, what.major) && overlap(e.minor, what.minor) &&
           (what.access & e.access) != 0;
  });
}

bool DeviceRules::allows(bool block, std::uint32_t major, std::uint32_t minor,
                         unsigned access) const {
  const DeviceException what{block, major, minor, access};
  return allow_ ? !matches_partly(what) : matches(what);
}

std::string DeviceRules::text() const {
  if (allow_) return "a *:* rwm\n";
  std::string text;
  for (const DeviceException& e : exceptions_) {
    text += e.block ? "b " : "c ";
    text += number_text(e.major) + ":" + number_text(e.minor) + " ";
    if (e.access & kDeviceRead) text += 'r';
    if (e.access & kDeviceWrite) text += 'w';
    if (e.access & kDeviceMake) text += 'm';
    text += '\n';
  }
  return text;
}

void DeviceRules::add(const DeviceException& what) {
  for (DeviceException& e : exceptions_) {
    if (!same_devices(e, what)) continue;
    e.access |= what.access;
    return;
  }
  exceptions_.push_back(what);
}

void DeviceRules::remove(const DeviceException& what) {
  std::erase_if(exceptions_, [&](DeviceException& e) {
    if (!same_devices(e, what)) return false;
    e.access &= ~what.access;
    return e.access == 0;
  });
}

// Whether a child that allows, or denies, by default may have this exception.
bool DeviceRules::lets_child_except(const DeviceException& what, bool child_allows) const {
  if (!allow_) return matches(what);
  return child_allows || !matches_partly(what);
}

void DeviceRules::reset(bool allow) {
  allow_ = allow;
  exceptions_.clear();
}

void DeviceRules::allow_as(const DeviceRules& parent) {
  allow_ = true;
  exceptions_ = parent.exceptions_;
}

Result<void> DeviceRules::allow(const DeviceException& what, const DeviceRules* parent) {
  if (allow_) {
    if (parent != nullptr && parent->matches_partly(what)) return Errno{EPERM};
    remove(what);
    return {};
  }
  if (parent != nullptr && !parent->lets_child_except(what, false)) return Errno{EPERM};
  add(what);
  return {};
}

void DeviceRules::deny(const DeviceException& what) {
  if (allow_) {
    add(what);
  } else {
    remove(what);
  }
}

void DeviceRules::follow_denial(const DeviceException& what, const DeviceRules& top,
                                const DeviceRules& parent) {
  if (top.allow_ && allow_) {
    add(what);
  } else {
    remove(what);
  }
  std::erase_if(exceptions_,
                [&](const DeviceException& e) { return !parent.lets_child_except(e, allow_); });
}

}  // namespace warren::group
