// The order in which rows are shown: sorted, filtered, as a list or a tree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/top/columns.h"

namespace warren::cli::top {

struct Order {
  Field field = Field::kCpu;
  bool descending = true;
  bool tree = false;
};

struct Shown {
  size_t row;           // index
  std::string prefix;   // lines of the tree
  bool matches = true;  // false: only there for what is below it
};

// `filter` (empty: all) is looked for in each row's columns, whatever the case of ASCII letters; in
// a tree, what a match hangs on is shown too.
std::vector<Shown> listing(const std::vector<Row>& rows, const Order& order,
                           std::string_view filter);

}  // namespace warren::cli::top
