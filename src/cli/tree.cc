#include "cli/tree.h"

#include "cli/text_width.h"

namespace warren::cli {
namespace {

struct Lines {
  const char* child;   // leads to a node
  const char* last;    // to its parent's last
  const char* passes;  // leads past, to a later sibling
};
constexpr Lines kUtf8 = {"├─", "└─", "│ "};
constexpr Lines kAscii = {"|-", "`-", "| "};

struct Waiting {
  size_t node;
  size_t depth;        // 0 for a root
  bool last;           // of its parent's children
  std::string before;  // lines of the levels above
};

}  // namespace

std::vector<Branch> draw_tree(const std::vector<size_t>& parents, size_t max_depth) {
  const Lines& lines = utf8_locale() ? kUtf8 : kAscii;
  size_t count = parents.size();
  std::vector<std::vector<size_t>> children(count + 1);
  for (size_t i = 0; i < count; ++i) children[parents[i] < count ? parents[i] : count].push_back(i);

  std::vector<Branch> drawn;
  std::vector<Waiting> stack;
  for (size_t i = children[count].size(); i-- > 0;) {
    stack.push_back({children[count][i], 0, true, ""});
  }
  while (!stack.empty()) {
    Waiting at = std::move(stack.back());
    stack.pop_back();
    bool deep = max_depth != 0 && at.depth > max_depth;
    std::string prefix, below;
    if (deep) {
      prefix = std::string(ellipsis()) + "(" + std::to_string(at.depth) + ") ";
    } else if (at.depth > 0) {
      prefix = at.before + (at.last ? lines.last : lines.child);
      below = at.before + (at.last ? "  " : lines.passes);
    }
    drawn.push_back({at.node, std::move(prefix)});
    const auto& below_it = children[at.node];
    for (size_t i = below_it.size(); i-- > 0;) {
      stack.push_back({below_it[i], at.depth + 1, i + 1 == below_it.size(), below});
    }
  }
  return drawn;
}

}  // namespace warren::cli
