#include "control/container_name.h"

#include <algorithm>
#include <array>
#include <random>

namespace warren::control {
namespace {

constexpr size_t kMaxLength = 64;

constexpr std::array<std::string_view, 32> kAdjectives = {
    "amber", "brave",  "brisk",  "calm",   "clever", "cosy",   "dapper", "deep",
    "eager", "fleet",  "gentle", "golden", "happy",  "hidden", "jolly",  "keen",
    "kind",  "lively", "lucky",  "mellow", "nimble", "plucky", "quick",  "quiet",
    "rapid", "silent", "silver", "snug",   "spry",   "sunny",  "tidy",   "wise"};
constexpr std::array<std::string_view, 32> kNouns = {
    "badger", "beech", "bramble", "burrow", "clover", "coney",   "dell",   "den",
    "fern",   "field", "gorse",   "grove",  "hare",   "heath",   "hedge",  "hill",
    "hollow", "knoll", "leaf",    "marten", "meadow", "mole",    "moss",   "otter",
    "rabbit", "reed",  "root",    "sett",   "stoat",  "thicket", "tunnel", "vole"};

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool valid_container_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxLength || !letter_or_digit(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return letter_or_digit(c) || c == '_' || c == '.' || c == '-'; });
}

std::string random_container_name() {
  std::random_device random;
  std::string name(kAdjectives[random() % kAdjectives.size()]);
  name += '_';
  name += kNouns[random() % kNouns.size()];
  return name;
}

}  // namespace warren::control
