// The columns of the three lists: what stands in them, and how rows compare by them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/table.h"
#include "cli/top/rows.h"

namespace warren::cli::top {

enum class Field {
  kContainer,
  kNumbers,  // of a process
  kInode,    // of a namespace
  kLevel,
  kInit,
  kGroup,
  kState,
  kTasks,
  kOwn,
  kLimit,
  kCpu,
  kTime,
  kMemory,
  kForks,
  kName,  // the last: path or command
};

struct ColumnSpec {
  Field field;
  const char* title;
  const char* word;  // as `--sort` takes it
  bool right;        // numbers
  size_t most;       // columns of the terminal; 0: whatever is left
  int worth;         // the least worth go first where the terminal is narrow
};

// In the order of the screen. `with_container`: rows of several containers; `with_group`: some
// process is in a group.
std::vector<ColumnSpec> columns_of(View view, bool with_container, bool with_group);

// What stands in a row's column; may hold whatever a guest put there. For kName the whole name, or
// in a tree the short one.
std::string cell_text(const Row& row, Field field, bool tree);
Style cell_style(const Row& row, Field field);

// Less than 0: `a` stands before `b` in ascending order. Rows of one container are together.
int compare(const Row& a, const Row& b, Field field);

// Whether large comes first unless the user asks otherwise.
bool descends(Field field);

// --sort's and --view's words. nullopt: no such column in that list; no such list.
std::optional<Field> field_named(View view, std::string_view word);
std::string field_words(View view);  // "name, cpu, ...", for messages
std::optional<View> view_named(std::string_view word);
const char* view_word(View view);

std::string size_text(uint64_t bytes);              // "512K", "1.5G": at most five characters
std::string time_text(uint64_t usec);               // "0:07.25", "12:07:33", "3d04h"
std::string rate_text(std::optional<double> rate);  // "12.3", "1234"; "-" if not known
std::string interval_text(double seconds);          // "2", "0.5"

}  // namespace warren::cli::top
