#include "cli/table.h"

#include <gtest/gtest.h>

#include <clocale>
#include <sstream>

#include "cli/report.h"
#include "cli/text_width.h"
#include "cli/tree.h"

namespace warren::cli {
namespace {

class TableTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
  void TearDown() override { setlocale(LC_CTYPE, "C"); }
};

TEST_F(TableTest, ColumnsAreAsWideAsTheirContents) {
  Table table({{"A"}, {"NR", true}, {"COMMAND", false, true}});
  table.add({{"x"}, {"7"}, {"sleep 1"}});
  table.add({{"long"}, {"1234"}, {"sh"}});
  EXPECT_EQ(table.render({}),
            "A       NR  COMMAND\n"
            "x        7  sleep 1\n"
            "long  1234  sh\n");
}

TEST_F(TableTest, ATerminalGetsNoLineTooLong) {
  Table table({{"NUMBERS", false, true}, {"NS", true}, {"COMMAND", false, true}});
  table.add({{"1,2,3,4,5,6,7,8,9,10,11,12"}, {"4026531836"}, {std::string(200, 'x')}});
  for (size_t width = 1; width < 120; ++width) {
    std::istringstream lines(table.render({false, width}));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(text_width(line), width);
  }
}

TEST_F(TableTest, CutsTheWidestFirst) {
  Table table({{"A", false, true}, {"B", false, true}});
  table.add({{"12345678"}, {std::string(40, 'b')}});
  EXPECT_EQ(table.render({false, 20}), "A         B\n12345678  bbbbbbbbb…\n");
}

TEST_F(TableTest, ColoursOnlyWhereAsked) {
  Table table({{"A"}});
  table.add({{"x", Style::kRed}});
  EXPECT_EQ(table.render({}).find('\033'), std::string::npos);
  EXPECT_EQ(table.render({true, 0}), "\033[1mA\033[0m\n\033[31mx\033[0m\n");
}

TEST_F(TableTest, GuestsCannotSendControlCharacters) {
  Table table({{"A"}});
  table.add({{"\033[2Jx\n\xff"}});
  EXPECT_EQ(table.render({}), "A\n?[2Jx??\n");
  EXPECT_EQ(printable("a\xc2\x9b\x31"), "a?1");  // the C1 control sequence introducer
}

TEST_F(TableTest, WidthCountsColumns) {
  EXPECT_EQ(text_width("abc"), 3u);
  EXPECT_EQ(text_width("ä"), 1u);
  EXPECT_EQ(text_width("日本"), 4u);
  EXPECT_EQ(fit("日本語", 4), "日…");
  EXPECT_EQ(fit("abc", 3), "abc");
  EXPECT_EQ(fit("abcd", 0), "");
}

TEST_F(TableTest, InvalidUtf8IsNotPrintable) {
  for (const char* text : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    EXPECT_EQ(next_glyph(text).columns, -1);
  }
}

TEST_F(TableTest, OtherLocalesGetAscii) {
  setlocale(LC_CTYPE, "C");
  EXPECT_EQ(printable("\xc3\xa4"), "?");
  EXPECT_EQ(draw_tree({kNoParent, 0}, 0)[1].prefix, "`-");
}

TEST_F(TableTest, TreesAreDrawn) {
  // 0 -> 1, 3; 1 -> 2; 4 a second root
  std::vector<Branch> drawn = draw_tree({kNoParent, 0, 1, 0, kNoParent}, 0);
  std::string text;
  for (const Branch& branch : drawn) text += branch.prefix + std::to_string(branch.node) + "\n";
  EXPECT_EQ(text, "0\n├─1\n│ └─2\n└─3\n4\n");
}

TEST_F(TableTest, DeepTreesAreShortened) {
  std::vector<size_t> parents = {kNoParent};
  for (size_t i = 0; i < 2000; ++i) parents.push_back(i);
  std::vector<Branch> drawn = draw_tree(parents, 10);
  ASSERT_EQ(drawn.size(), 2001u);
  EXPECT_EQ(drawn[2000].prefix, "…(2000) ");
  EXPECT_EQ(draw_tree(parents, 0)[2000].prefix.size(), 2 * 1999 + std::string("└─").size());
}

TEST(Report, OneLineWithAllParts) {
  EXPECT_EQ(describe({"run", "x", ENOENT, "do this"}),
            "run: x: No such file or directory; do this");
  EXPECT_EQ(describe({"run", "", 0, ""}), "run");
  EXPECT_EQ(describe({"run", "a\nb", EPERM, ""}), "run: a?b: Operation not permitted");
}

}  // namespace
}  // namespace warren::cli
