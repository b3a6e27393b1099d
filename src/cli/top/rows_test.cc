#include "cli/top/rows.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/top/columns.h"
#include "cli/top/listing.h"
#include "cli/top/sample_for_test.h"

namespace warren::cli::top {
namespace {

const Row* row_named(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

TEST(TopUsage, ReadsWhatProcSays) {
  // A name with brackets and blanks, as any guest may have.
  std::string stat =
      "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 3 0 98765 1000000 77 "
      "18446744073709551615 1 1 0 0 0\n";
  auto usage = parse_usage(stat, 100, 4096);
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->cpu_usec, 3'000'000u);
  EXPECT_EQ(usage->started, 98765u);
  EXPECT_EQ(usage->memory, 77u * 4096);
}

TEST(TopUsage, RefusesWhatIsNoStat) {
  for (const char* text : {"", "42", "42 (x)", "42 (x) S 1 2 3",
                           "42 (x) S 1 2 3 4 5 6 7 8 9 10 x "
                           "12 13 14 15 16 17 18 19 20 21"}) {
    EXPECT_FALSE(parse_usage(text, 100, 4096)) << text;
  }
  EXPECT_FALSE(usage_of(0));
}

TEST(TopUsage, OfThisProcess) {
  auto usage = usage_of(getpid());
  ASSERT_TRUE(usage);
  EXPECT_GT(usage->memory, 0u);
  EXPECT_GT(usage->started, 0u);
}

TEST(TopRows, NoRatesBeforeThereAreTwoSamples) {
  Measurement once(Sample{}, sample_at(1'000'000, {1, 2, 3, 4}));
  for (View view : {View::kGroups, View::kNamespaces, View::kTasks}) {
    ASSERT_FALSE(once.rows(view).empty());
    for (const Row& row : once.rows(view)) {
      EXPECT_FALSE(row.cpu);
      EXPECT_FALSE(row.forks);
    }
  }
  EXPECT_EQ(once.seconds(), 0);
}

TEST(TopRows, CpuIsPercentOfOneProcessor) {
  Measurement both(sample_at(1'000'000), sample_at(3'000'000, {0, 100, 200, 400}));
  const auto& tasks = both.rows(View::kTasks);
  EXPECT_DOUBLE_EQ(*tasks[0].cpu, 0);
  EXPECT_DOUBLE_EQ(*tasks[1].cpu, 50);
  EXPECT_DOUBLE_EQ(*tasks[3].cpu, 200);
  // Namespaces with what is below them.
  const auto& namespaces = both.rows(View::kNamespaces);
  EXPECT_DOUBLE_EQ(*namespaces[0].cpu, 350);
  EXPECT_DOUBLE_EQ(*namespaces[1].cpu, 300);
  EXPECT_EQ(namespaces[0].tasks, 4);
  EXPECT_EQ(namespaces[0].own_tasks, 2);
  EXPECT_EQ(namespaces[0].memory, 10u << 20);
  EXPECT_EQ(namespaces[0].name, "sh -c main");
  EXPECT_DOUBLE_EQ(*both.totals().cpu, 350);
}

TEST(TopRows, AnotherHolderOfANumberStartsFromNothing) {
  Sample now = sample_at(2'000'000, {0, 50, 0, 0});
  now.containers[0].usage[1]->started = 9999;
  Measurement both(sample_at(1'000'000, {0, 400, 0, 0}), now);
  EXPECT_DOUBLE_EQ(*both.rows(View::kTasks)[1].cpu, 50);
  Measurement same(sample_at(1'000'000), sample_at(2'000'000));
  EXPECT_NE(both.rows(View::kTasks)[1].key, same.rows(View::kTasks)[1].key);
}

TEST(TopRows, AContainerOfTheSameNameIsNotTheSame) {
  Sample now = sample_at(2'000'000, {100, 0, 0, 0});
  now.containers[0].info.started += 5;
  Measurement both(sample_at(1'000'000), now);
  EXPECT_FALSE(both.rows(View::kTasks)[0].cpu);
}

TEST(TopRows, AProcessThatIsGoneMeanwhileIsStillARow) {
  Sample now = sample_at(2'000'000);
  now.containers[0].usage[3] = std::nullopt;
  Measurement both(sample_at(1'000'000), now);
  ASSERT_EQ(both.rows(View::kTasks).size(), 4u);
  EXPECT_FALSE(both.rows(View::kTasks)[3].cpu);
}

TEST(TopRows, ForksOfNamespacesAreTheNumbersGiven) {
  Sample now = sample_at(3'000'000);
  now.containers[0].info.namespaces[0].last_nr = 24;
  Measurement both(sample_at(1'000'000), now);
  EXPECT_DOUBLE_EQ(*both.rows(View::kNamespaces)[0].forks, 10);
  EXPECT_DOUBLE_EQ(*both.totals().forks, 10);
  // The numbers began again.
  Sample before = sample_at(1'000'000);
  before.containers[0].info.namespaces[0].last_nr = 32766;
  now.containers[0].info.namespaces[0].last_nr = 300 + 7;
  Measurement wrapped(before, now);
  EXPECT_DOUBLE_EQ(*wrapped.rows(View::kNamespaces)[0].forks, (1 + 8) / 2.0);
}

TEST(TopRows, GroupsHaveRatesAndParents) {
  Sample before = sample_at(1'000'000), now = sample_at(2'000'000);
  now.containers[0].groups[2].cpu_usec = 250'000;
  now.containers[0].groups[2].forks = 30;
  Measurement both(before, now);
  const auto& groups = both.rows(View::kGroups);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].parent, kNoParent);
  EXPECT_EQ(groups[1].parent, 0u);
  EXPECT_EQ(groups[2].parent, 1u);
  EXPECT_EQ(groups[2].short_name, "b");
  EXPECT_DOUBLE_EQ(*groups[2].cpu, 25);
  EXPECT_DOUBLE_EQ(*groups[2].forks, 30);
  EXPECT_TRUE(both.has_named_groups());
  EXPECT_EQ(both.rows(View::kTasks)[3].group, "/a/b");
  EXPECT_EQ(processes_below(groups, 1).size(), 3u);
  EXPECT_EQ(processes_below(groups, 2)[0].ns_inode, 20u);
  EXPECT_EQ(processes_below(groups, 2)[0].nr, 1);
}

TEST(TopRows, AGroupMadeAnewCountsFromNothing) {
  Sample before = sample_at(1'000'000), now = sample_at(2'000'000);
  before.containers[0].groups[1].cpu_usec = 9'000'000;
  now.containers[0].groups[1].cpu_usec = 100'000;
  EXPECT_DOUBLE_EQ(*Measurement(before, now).rows(View::kGroups)[1].cpu, 10);
}

TEST(TopRows, OtherHierarchiesAreNamed) {
  Sample now = sample_at(1'000'000);
  auto& groups = now.containers[0].groups;
  groups.push_back(group_of("/", 0, 0, {100}));
  groups.push_back(group_of("/a", 0, 0, {}));
  groups[3].hierarchy = groups[4].hierarchy = 2;
  now.containers[0].hierarchies[2] = "cpuset,pids";
  Measurement measurement(Sample{}, now);
  const auto& rows = measurement.rows(View::kGroups);
  EXPECT_EQ(rows[3].name, "cpuset,pids:/");
  EXPECT_EQ(rows[4].name, "cpuset,pids:/a");
  EXPECT_EQ(rows[4].parent, 3u);
  // The group of a task is that of the default hierarchy.
  EXPECT_EQ(measurement.rows(View::kTasks)[0].group, "/");
}

TEST(TopRows, WithoutGroupsTheOtherListsAreThere) {
  Sample now = sample_at(1'000'000);
  now.containers[0].has_groups = false;
  now.containers[0].groups.clear();
  Measurement measurement(Sample{}, now);
  EXPECT_TRUE(measurement.rows(View::kGroups).empty());
  EXPECT_FALSE(measurement.has_named_groups());
  EXPECT_EQ(measurement.rows(View::kTasks).size(), 4u);
}

std::vector<std::string> names(const std::vector<Row>& rows, const std::vector<Shown>& shown) {
  std::vector<std::string> result;
  for (const Shown& each : shown) result.push_back(each.prefix + rows[each.row].name);
  return result;
}
using Names = std::vector<std::string>;

TEST(TopListing, Sorts) {
  Measurement both(sample_at(1'000'000), sample_at(2'000'000, {10, 40, 20, 30}));
  const auto& rows = both.rows(View::kTasks);
  EXPECT_EQ(names(rows, listing(rows, {Field::kCpu, true, false}, "")),
            (Names{"worker --fast", "Leaf", "init of inner", "sh -c main"}));
  EXPECT_EQ(names(rows, listing(rows, {Field::kMemory, false, false}, "")),
            (Names{"sh -c main", "worker --fast", "init of inner", "Leaf"}));
  // Ties go by number.
  EXPECT_EQ(names(rows, listing(rows, {Field::kState, true, false}, "")).front(), "sh -c main");
}

TEST(TopListing, TreesSortSiblings) {
  Sample now = sample_at(2'000'000, {0, 10, 0, 0});
  now.containers[0].info.tasks[3].parent_level0 = 100;
  now.containers[0].usage[3]->cpu_usec = 500'000;
  Measurement both(sample_at(1'000'000), now);
  const auto& rows = both.rows(View::kTasks);
  EXPECT_EQ(names(rows, listing(rows, {Field::kCpu, true, true}, "")),
            (Names{"sh -c main", "|-Leaf", "`-worker --fast", "  `-init of inner"}));
  EXPECT_EQ(names(rows, listing(rows, {Field::kCpu, false, true}, "")),
            (Names{"sh -c main", "|-worker --fast", "| `-init of inner", "`-Leaf"}));
}

TEST(TopListing, FiltersAndKeepsWhatMatchesHangOn) {
  Measurement once(Sample{}, sample_at(1'000'000));
  const auto& rows = once.rows(View::kTasks);
  EXPECT_EQ(names(rows, listing(rows, {Field::kNumbers, false, false}, "lEAF")), Names{"Leaf"});
  auto tree = listing(rows, {Field::kNumbers, false, true}, "inner");
  EXPECT_EQ(names(rows, tree), (Names{"sh -c main", "`-worker --fast", "  `-init of inner"}));
  EXPECT_FALSE(tree[0].matches);
  EXPECT_TRUE(tree[2].matches);
  EXPECT_TRUE(listing(rows, {}, "no such thing").empty());
  // By number, namespace, group and container too.
  EXPECT_EQ(listing(rows, {}, "102,3").size(), 1u);
  EXPECT_EQ(listing(rows, {}, "/a/b").size(), 2u);
  EXPECT_EQ(listing(rows, {}, "WEB").size(), 4u);
}

TEST(TopColumns, Texts) {
  EXPECT_EQ(size_text(0), "0");
  EXPECT_EQ(size_text(1023), "1023");
  EXPECT_EQ(size_text(1024), "1.0K");
  EXPECT_EQ(size_text(10 * 1024 + 1), "10K");
  EXPECT_EQ(size_text(1023 * 1024), "1.0M");
  EXPECT_EQ(size_text(uint64_t{3} << 40), "3.0T");
  EXPECT_EQ(size_text(~uint64_t{0}), "16E");
  EXPECT_EQ(time_text(7'256'000), "0:07.25");
  EXPECT_EQ(time_text(uint64_t{3600} * 12 * 1'000'000), "12:00:00");
  EXPECT_EQ(time_text(uint64_t{3600} * 124 * 1'000'000), "5d04h");
  EXPECT_EQ(rate_text(std::nullopt), "-");
  EXPECT_EQ(rate_text(99.95), "100.0");
  EXPECT_EQ(rate_text(1234.5), "1234");
  EXPECT_EQ(interval_text(0.5), "0.5");
}

TEST(TopColumns, EveryWordNamesItsColumn) {
  for (View view : {View::kGroups, View::kNamespaces, View::kTasks}) {
    EXPECT_EQ(view_named(view_word(view)), view);
    for (const ColumnSpec& column : columns_of(view, true, true)) {
      EXPECT_EQ(field_named(view, column.word), column.field);
    }
    EXPECT_EQ(columns_of(view, false, false).back().field, Field::kName);
  }
  EXPECT_FALSE(field_named(View::kTasks, "forks"));
  EXPECT_FALSE(view_named("x"));
}

TEST(TopColumns, RowsOfADeepNamespaceFindTheirName) {
  Measurement once(Sample{}, sample_at(1'000'000));
  ASSERT_NE(row_named(once.rows(View::kNamespaces), "init of inner"), nullptr);
  EXPECT_EQ(row_named(once.rows(View::kNamespaces), "init of inner")->inode, 20u);
}

}  // namespace
}  // namespace warren::cli::top
