// Trees drawn with lines, as pstree and lsns draw them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace warren::cli {

constexpr size_t kNoParent = static_cast<size_t>(-1);

// A node's place in the drawing.
struct Branch {
  size_t node;
  std::string prefix;  // lines that lead to it
};

// The nodes 0 to parents.size()-1 in the order of a walk from each root, children in their given
// order; a parent out of range makes a root. Prefixes deeper than `max_depth` levels (0: no limit)
// show the depth as a number instead. Iterates: trees may be as deep as users make them.
std::vector<Branch> draw_tree(const std::vector<size_t>& parents, size_t max_depth);

}  // namespace warren::cli
