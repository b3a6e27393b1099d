#include "cli/without.h"

#include <cerrno>
#include <cstdlib>
#include <string>

namespace warren::cli {

std::optional<Failure> do_without(HostFeatures& features, std::string_view list,
                                  std::string_view source) {
  const auto unknown = features.switch_off(list);
  if (!unknown) return std::nullopt;
  return Failure{std::string(source), *unknown, EINVAL, "give " + HostFeatures::names()};
}

std::optional<Failure> do_without_by_variable(HostFeatures& features, std::string_view command) {
  const char* const list = std::getenv("WARREN_WITHOUT");
  if (list == nullptr) return std::nullopt;
  return do_without(features, list, std::string(command) + ": WARREN_WITHOUT");
}

}  // namespace warren::cli
