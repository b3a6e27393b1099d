// Features of the host that the user wants to do without.
#pragma once

#include <optional>
#include <string_view>

#include "cli/report.h"
#include "tracer/host_features.h"

namespace warren::cli {

// The list as for HostFeatures::switch_off(); `source` says where it stood. What is wrong with it,
// if anything.
std::optional<Failure> do_without(HostFeatures& features, std::string_view list,
                                  std::string_view source);

// $WARREN_WITHOUT, for `command`; nothing where it is not set, or empty.
std::optional<Failure> do_without_by_variable(HostFeatures& features, std::string_view command);

}  // namespace warren::cli
