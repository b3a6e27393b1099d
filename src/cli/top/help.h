// The page of keys that ? shows.
#pragma once

#include <span>
#include <string_view>

namespace warren::cli::top {

// At most 22 lines of at most 79 columns, ASCII.
std::span<const std::string_view> help_lines();

}  // namespace warren::cli::top
