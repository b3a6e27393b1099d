#include "cli/top/ui.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <clocale>
#include <nlohmann/json.hpp>

#include "cli/text_width.h"
#include "cli/top/batch.h"
#include "cli/top/draw.h"
#include "cli/top/help.h"
#include "cli/top/sample_for_test.h"

namespace warren::cli::top {
namespace {

class TopUi : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
    measure(sample_at(1'000'000), sample_at(2'000'000, {10, 40, 20, 30}));
  }
  void TearDown() override { setlocale(LC_CTYPE, "C"); }

  void measure(const Sample& before, const Sample& now) {
    ui.update(Measurement(before, now));
    ui.set_room(20);
  }
  // Each character is a key.
  Wish type(const std::string& text) {
    Wish wish;
    for (char c : text) wish = ui.press({Key::kText, std::string(1, c)});
    return wish;
  }
  Wish press(Key::Code code) { return ui.press({code, ""}); }
  std::string chosen() const { return ui.rows()[ui.shown()[ui.chosen()].row].name; }
  std::vector<std::string> screen(Size size) {
    std::vector<std::string> lines;
    for (const Line& line : draw(ui, size).lines) {
      std::string& text = lines.emplace_back();
      for (const Piece& piece : line.pieces) text += piece.text;
    }
    return lines;
  }

  Ui ui{Settings{}};
};

TEST_F(TopUi, GroupsComeFirstWhereThereAreAny) {
  EXPECT_EQ(ui.view(), View::kGroups);
  Ui other{Settings{}};
  Sample plain = sample_at(1'000'000);
  plain.containers[0].groups.resize(1);
  other.update(Measurement(Sample{}, plain));
  EXPECT_EQ(other.view(), View::kTasks);
  Ui told{Settings{.view = View::kNamespaces}};
  told.update(Measurement(Sample{}, sample_at(1'000'000)));
  EXPECT_EQ(told.view(), View::kNamespaces);
}

TEST_F(TopUi, ViewsByLetterAndTab) {
  type("t");
  EXPECT_EQ(ui.view(), View::kTasks);
  type("n");
  EXPECT_EQ(ui.view(), View::kNamespaces);
  press(Key::kTab);
  EXPECT_EQ(ui.view(), View::kTasks);
  press(Key::kTab);
  EXPECT_EQ(ui.view(), View::kGroups);
  press(Key::kBackTab);
  EXPECT_EQ(ui.view(), View::kTasks);
}

TEST_F(TopUi, SortKeys) {
  type("t");
  EXPECT_EQ(chosen(), "worker --fast");  // CPU
  type("M");
  EXPECT_EQ(chosen(), "Leaf");
  type("R");
  EXPECT_EQ(chosen(), "sh -c main");
  type("N");
  EXPECT_EQ(ui.order().field, Field::kNumbers);
  EXPECT_FALSE(ui.order().descending);
  type(">");
  EXPECT_EQ(ui.order().field, Field::kGroup);
  type("<<");
  EXPECT_EQ(ui.order().field, Field::kNumbers);
  // Each list has an order of its own, and no column is sorted by that it has not.
  type("F");
  EXPECT_EQ(ui.order().field, Field::kNumbers);
  EXPECT_NE(ui.message(), "");
  type("gF");
  EXPECT_EQ(ui.order().field, Field::kForks);
  type("t");
  EXPECT_EQ(ui.order().field, Field::kNumbers);
}

TEST_F(TopUi, WhatIsChosenStaysChosen) {
  type("t");
  press(Key::kDown);
  EXPECT_EQ(chosen(), "Leaf");
  measure(sample_at(1'000'000), sample_at(2'000'000, {90, 40, 20, 1}));
  EXPECT_EQ(chosen(), "Leaf");
  EXPECT_EQ(ui.chosen(), 3u);
  // Gone: the place stays.
  Sample less = sample_at(3'000'000);
  less.containers[0].info.tasks.pop_back();
  less.containers[0].usage.pop_back();
  measure(sample_at(2'000'000), less);
  EXPECT_EQ(ui.chosen(), 2u);
  // The first stays the first, whichever that is.
  press(Key::kHome);
  measure(sample_at(1'000'000), sample_at(2'000'000, {0, 0, 0, 50}));
  EXPECT_EQ(chosen(), "Leaf");
}

TEST_F(TopUi, MovesWithinTheList) {
  type("t");
  ui.set_room(2);
  press(Key::kEnd);
  EXPECT_EQ(ui.chosen(), 3u);
  EXPECT_EQ(ui.first(), 2u);
  press(Key::kDown);
  EXPECT_EQ(ui.chosen(), 3u);
  press(Key::kPageUp);
  EXPECT_EQ(ui.chosen(), 2u);
  press(Key::kHome);
  press(Key::kUp);
  EXPECT_EQ(ui.chosen(), 0u);
  EXPECT_EQ(ui.first(), 0u);
  // An empty list.
  ui.press({Key::kText, "/"});
  type("no such thing");
  press(Key::kEnter);
  for (Key::Code code : {Key::kEnd, Key::kDown, Key::kUp, Key::kPageDown, Key::kHome}) press(code);
  EXPECT_EQ(ui.chosen(), 0u);
  EXPECT_EQ(type("k").kind, Wish::kNothing);
  EXPECT_EQ(ui.mode(), Mode::kList);
}

TEST_F(TopUi, FilterIsTypedAndTakenBack) {
  type("t/LEAF");
  EXPECT_EQ(ui.shown().size(), 1u);
  press(Key::kBackspace);
  EXPECT_EQ(ui.filter(), "LEA");
  press(Key::kEnter);
  EXPECT_EQ(ui.filter(), "LEA");
  type("/x");
  EXPECT_EQ(ui.shown().size(), 0u);
  press(Key::kEscape);
  EXPECT_EQ(ui.filter(), "LEA");
  press(Key::kEscape);
  EXPECT_EQ(ui.shown().size(), 4u);
  // A character of several bytes goes as one.
  ui.press({Key::kText, "/"});
  ui.press({Key::kText, "ä"});
  press(Key::kBackspace);
  EXPECT_EQ(ui.input(), "");
  press(Key::kBackspace);
  // Letters are text here.
  EXPECT_EQ(type("q").kind, Wish::kNothing);
}

TEST_F(TopUi, KillAsksTwice) {
  type("t");
  press(Key::kDown);
  type("k");
  EXPECT_EQ(ui.mode(), Mode::kSignal);
  EXPECT_EQ(ui.question(), "Signal for process 103,4,2 (Leaf): ");
  EXPECT_EQ(ui.input(), "TERM");
  press(Key::kEnter);
  EXPECT_EQ(ui.question(), "Send SIGTERM to process 103,4,2 (Leaf)? [y/N] ");
  EXPECT_EQ(press(Key::kEnter).kind, Wish::kNothing);
  EXPECT_EQ(ui.mode(), Mode::kList);
  type("k");
  press(Key::kEraseLine);
  type("usr1");
  press(Key::kEnter);
  Wish wish = type("y");
  EXPECT_EQ(wish.kind, Wish::kSignal);
  EXPECT_EQ(wish.signal, SIGUSR1);
  EXPECT_EQ(wish.target.container, "web");
  EXPECT_EQ(wish.target.ns_inode, 20u);
  EXPECT_EQ(wish.target.nr, 2);
}

TEST_F(TopUi, KillOfWhatHasEndedMeanwhile) {
  type("t");
  press(Key::kDown);
  type("k");
  press(Key::kEnter);
  Sample other = sample_at(3'000'000);
  other.containers[0].usage[3]->started = 99999;  // another process with that number
  measure(sample_at(2'000'000), other);
  EXPECT_EQ(type("y").kind, Wish::kNothing);
  EXPECT_NE(ui.message().find("has ended"), std::string::npos);
}

TEST_F(TopUi, NoSuchSignal) {
  for (const char* text : {"frob", "0", "-1", "999", ""}) {
    type("k");
    press(Key::kEraseLine);
    type(text);
    press(Key::kEnter);
    EXPECT_EQ(ui.mode(), Mode::kList) << text;
    EXPECT_NE(ui.message(), "");
  }
}

TEST_F(TopUi, KillOfAGroupReachesWhatIsBelow) {
  press(Key::kDown);
  EXPECT_EQ(chosen(), "/a");
  type("k");
  EXPECT_EQ(ui.input(), "KILL");
  press(Key::kEnter);
  EXPECT_EQ(ui.question(), "Send SIGKILL to 3 processes of group /a? [y/N] ");
  Wish wish = type("y");
  EXPECT_EQ(wish.kind, Wish::kSignal);
  EXPECT_EQ(wish.target.path, "/a");
  EXPECT_EQ(wish.target.processes.size(), 3u);
}

TEST_F(TopUi, FreezeAndThaw) {
  press(Key::kDown);
  Wish wish = type("f");
  EXPECT_EQ(wish.kind, Wish::kFreeze);
  EXPECT_EQ(wish.target.path, "/a");
  Sample frozen = sample_at(3'000'000);
  frozen.containers[0].groups[1].frozen = true;
  measure(sample_at(2'000'000), frozen);
  EXPECT_EQ(type("f").kind, Wish::kThaw);
  EXPECT_EQ(type("tf").kind, Wish::kNothing);
  EXPECT_NE(ui.message(), "");
}

TEST_F(TopUi, Interval) {
  EXPECT_EQ(type("+").kind, Wish::kInterval);
  EXPECT_EQ(ui.interval(), 4);
  type("--");
  EXPECT_EQ(ui.interval(), 1);
  type("d");
  press(Key::kEraseLine);
  type("0.25");
  EXPECT_EQ(press(Key::kEnter).kind, Wish::kInterval);
  EXPECT_EQ(ui.interval(), 0.25);
  for (int i = 0; i < 20; ++i) type("-");
  EXPECT_EQ(ui.interval(), kLeastInterval);
  for (const char* text : {"x", "", "0", "-1", "nan", "inf", "1e999", "1 "}) {
    type("d");
    press(Key::kEraseLine);
    type(text);
    EXPECT_EQ(press(Key::kEnter).kind, Wish::kNothing) << text;
  }
}

TEST_F(TopUi, HelpAndQuit) {
  type("?");
  EXPECT_EQ(ui.mode(), Mode::kHelp);
  EXPECT_EQ(type("q").kind, Wish::kNothing);
  EXPECT_EQ(ui.mode(), Mode::kList);
  EXPECT_EQ(type("q").kind, Wish::kQuit);
  EXPECT_EQ(press(Key::kF10).kind, Wish::kQuit);
  EXPECT_LE(help_lines().size(), 22u);
  for (std::string_view line : help_lines()) EXPECT_LE(line.size(), 79u) << line;
}

TEST_F(TopUi, DrawsAnOrdinaryTerminal) {
  auto lines = screen({80, 24});
  ASSERT_EQ(lines.size(), 24u);
  EXPECT_NE(lines[0].find("web (ptrace), up 0:00:02"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("Processes: 4"), std::string::npos);
  EXPECT_NE(lines[2].find("%CPU: 100.0"), std::string::npos) << lines[2];
  EXPECT_NE(lines[2].find("Groups: 3"), std::string::npos);
  EXPECT_NE(lines[4].find("FORK/S"), std::string::npos);
  EXPECT_NE(lines[6].find("└─a"), std::string::npos) << lines[6];
  EXPECT_NE(lines[23].find("q:Quit"), std::string::npos);
}

TEST_F(TopUi, DrawsOnAnySize) {
  for (const char* view : {"g", "n", "t", "?", "t/", "tk", "d", "gk"}) {
    for (size_t columns = 1; columns < 130; columns += 9) {
      for (size_t lines = 1; lines < 30; lines += lines < 12 ? 1 : 9) {
        Ui other{Settings{.all_containers = true}};
        std::swap(ui, other);
        measure(sample_at(1'000'000), sample_at(2'000'000, {10, 40, 20, 30}));
        type(view);
        auto drawn = screen({columns, lines});
        ASSERT_EQ(drawn.size(), lines) << view << columns;
        for (const std::string& line : drawn) {
          ASSERT_LE(text_width(line), columns) << view << lines;
        }
      }
    }
  }
}

TEST_F(TopUi, GuestsCannotSendControlCharacters) {
  Sample now = sample_at(1'000'000);
  for (auto& task : now.containers[0].info.tasks) {
    task.cmdline = "\033[2J\x9b\n\xff日本\033]0;x\a";
    task.comm = "\033c";
    task.state = "\033";
  }
  now.containers[0].groups[1].path = "/\033[31m";
  now.containers[0].info.tasks.resize(4);
  measure(Sample{}, now);
  for (const char* keys : {"g", "n", "t", "V", "k"}) {
    type(keys);
    for (const std::string& line : screen({200, 24})) {
      for (std::string_view rest = line; !rest.empty();) {
        Glyph glyph = next_glyph(rest);
        ASSERT_GE(glyph.columns, 0) << keys;
        rest.remove_prefix(glyph.bytes);
      }
    }
  }
  press(Key::kEscape);
  std::string batch = batch_text(ui, {});
  EXPECT_EQ(batch.find('\033'), std::string::npos);
  EXPECT_EQ(batch.find('\a'), std::string::npos);
}

TEST_F(TopUi, SidewaysShowsTheRestOfACommand) {
  Sample now = sample_at(1'000'000);
  now.containers[0].info.tasks[0].cmdline = std::string(100, 'a') + "END";
  measure(Sample{}, now);
  type("tN");
  auto has_end = [&] {
    for (const std::string& line : screen({80, 24})) {
      if (line.find("END") != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_FALSE(has_end());
  for (int i = 0; i < 12; ++i) press(Key::kRight);
  EXPECT_TRUE(has_end());
}

TEST_F(TopUi, ColumnsOfLeastWorthGoFirst) {
  type("t");
  auto title = [&](size_t columns) { return screen({columns, 24})[4]; };
  EXPECT_NE(title(80).find("THR"), std::string::npos);
  EXPECT_EQ(title(44).find("THR"), std::string::npos);
  EXPECT_NE(title(44).find("%CPU"), std::string::npos);
  EXPECT_NE(title(44).find("COMMAND"), std::string::npos);
}

TEST_F(TopUi, JsonHasEverything) {
  Sample before = sample_at(1'000'000), now = sample_at(2'000'000, {10, 40, 20, 30});
  auto json = nlohmann::json::parse(json_text(now, Measurement(before, now)));
  EXPECT_EQ(json["interval"], 1.0);
  const auto& web = json["containers"][0];
  EXPECT_EQ(web["tasks"][1]["cpu"], 40.0);
  EXPECT_EQ(web["tasks"][3]["group"], "/a/b");
  EXPECT_EQ(web["namespaces"][1]["cpu"], 50.0);
  EXPECT_EQ(web["groups"][2]["path"], "/a/b");
  EXPECT_TRUE(web["groups"][2]["pids_max"].is_null());
  now.containers[0].has_groups = false;
  json = nlohmann::json::parse(json_text(now, Measurement(Sample{}, now)));
  EXPECT_TRUE(json["containers"][0]["groups"].is_null());
  EXPECT_TRUE(json["containers"][0]["tasks"][0]["cpu"].is_null());
}

}  // namespace
}  // namespace warren::cli::top
