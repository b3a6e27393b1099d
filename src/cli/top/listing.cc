#include "cli/top/listing.h"

#include <algorithm>

#include "cli/tree.h"

namespace warren::cli::top {
namespace {

constexpr size_t kMaxDepthShown = 20;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains(const std::string& text, const std::string& lower_part) {
  auto same = [](char a, char b) { return lower(a) == b; };
  return std::search(text.begin(), text.end(), lower_part.begin(), lower_part.end(), same) !=
         text.end();
}

bool matches(const Row& row, const std::string& part) {
  if (part.empty()) return true;
  for (const std::string* text : {&row.name, &row.container, &row.numbers, &row.group}) {
    if (contains(*text, part)) return true;
  }
  return row.target.kind != View::kGroups && contains(std::to_string(row.inode), part);
}

}  // namespace

std::vector<Shown> listing(const std::vector<Row>& rows, const Order& order,
                           std::string_view filter) {
  std::string part(filter);
  std::transform(part.begin(), part.end(), part.begin(), lower);
  std::vector<bool> match(rows.size()), show(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    match[i] = matches(rows[i], part);
    if (!match[i]) continue;
    show[i] = true;
    // Each row is marked once, so that this is no longer than the tree is large.
    for (size_t up = rows[i].parent; order.tree && up < rows.size() && !show[up];) {
      show[up] = true;
      up = rows[up].parent;
    }
  }

  std::vector<size_t> sorted;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (show[i]) sorted.push_back(i);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) {
    int by = compare(rows[a], rows[b], order.field);
    if (by != 0) return order.descending ? by > 0 : by < 0;
    if (rows[a].container != rows[b].container) return rows[a].container < rows[b].container;
    return rows[a].order < rows[b].order;
  });
  std::vector<Shown> shown;
  if (!order.tree) {
    for (size_t i : sorted) shown.push_back({i, "", true});
    return shown;
  }
  std::vector<size_t> place(rows.size(), kNoParent);  // in `sorted`
  for (size_t i = 0; i < sorted.size(); ++i) place[sorted[i]] = i;
  std::vector<size_t> parents;
  for (size_t i : sorted) {
    parents.push_back(rows[i].parent < rows.size() ? place[rows[i].parent] : kNoParent);
  }
  for (Branch& branch : draw_tree(parents, kMaxDepthShown)) {
    size_t row = sorted[branch.node];
    shown.push_back({row, std::move(branch.prefix), match[row]});
  }
  return shown;
}

}  // namespace warren::cli::top
