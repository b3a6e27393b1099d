#include "cli/app.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/levels.h"
#include "cli/signal_relay.h"
#include "cli/signals.h"
#include "cli/start_report.h"

namespace warren::cli {
namespace {

using Arguments = std::vector<std::string>;

class MarkTest : public testing::Test {
 protected:
  MarkTest() {
    app_.add_option("--name", name_);
    app_.add_flag("-d,--detach", detach_);
  }
  Arguments mark(Arguments arguments, int before) {
    return mark_guest_command(app_, std::move(arguments), before);
  }
  CLI::App app_;
  std::string name_;
  bool detach_ = false;
};

TEST_F(MarkTest, BeforeTheGuestsCommand) {
  EXPECT_EQ(mark({"ls", "-l"}, 0), Arguments({"--", "ls", "-l"}));
  EXPECT_EQ(mark({"--name", "x", "ls"}, 0), Arguments({"--name", "x", "--", "ls"}));
  EXPECT_EQ(mark({"--name=x", "-d", "ls"}, 0), Arguments({"--name=x", "-d", "--", "ls"}));
  EXPECT_EQ(mark({"web", "-d", "ls", "-d"}, 1), Arguments({"web", "-d", "--", "ls", "-d"}));
}

TEST_F(MarkTest, LeavesWhatIsMarkedOrHasNone) {
  EXPECT_EQ(mark({"-d", "--", "a", "--", "b"}, 0), Arguments({"-d", "--", "a", "--", "b"}));
  EXPECT_EQ(mark({"-d"}, 0), Arguments({"-d"}));
  EXPECT_EQ(mark({"--name"}, 0), Arguments({"--name"}));
  EXPECT_EQ(mark({}, 0), Arguments({}));
}

TEST(Signals, ByNameAndNumber) {
  EXPECT_EQ(*parse_signal("TERM"), SIGTERM);
  EXPECT_EQ(*parse_signal("sigkill"), SIGKILL);
  EXPECT_EQ(*parse_signal("10"), 10);
  EXPECT_EQ(*parse_signal("0"), 0);
  EXPECT_EQ(*parse_signal("RTMIN+2"), SIGRTMIN + 2);
  EXPECT_EQ(*parse_signal("SIGRTMAX"), SIGRTMAX);
  for (const char* text : {"", "FOO", "-1", "65", "RTMIN+99", "RTMIN-1", "RTMAX+1", "9x"}) {
    EXPECT_EQ(parse_signal(text).error_code(), EINVAL) << text;
  }
  EXPECT_EQ(signal_name(SIGHUP), "SIGHUP");
  EXPECT_EQ(signal_name(SIGRTMIN + 1), "SIGRTMIN+1");
}

class StartTest : public testing::Test {
 protected:
  StartTest() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    reader_.reset(ends[0]);
    report_ = StartReport(UniqueFd(ends[1]));
  }
  StartOutcome outcome() {
    report_.close();
    return read_start(reader_.get());
  }
  UniqueFd reader_;
  StartReport report_;
};

TEST_F(StartTest, Started) {
  report_.name("web");
  report_.started();
  StartOutcome read = outcome();
  EXPECT_TRUE(read.started);
  EXPECT_EQ(read.name, "web");
}

TEST_F(StartTest, StartedThoughOthersHoldThePipe) {
  report_.started();
  EXPECT_TRUE(read_start(reader_.get()).started);
}

TEST_F(StartTest, StartedAtTheEndOfTheStream) {
  report_.starting();
  EXPECT_TRUE(outcome().started);
}

TEST_F(StartTest, FailedAfterAll) {
  report_.starting();
  report_.failed(126, "run: x: Permission denied");
  StartOutcome read = outcome();
  EXPECT_FALSE(read.started);
  EXPECT_EQ(read.exit_status, 126);
  EXPECT_EQ(read.error, "run: x: Permission denied");
}

TEST_F(StartTest, DiedUnheard) {
  report_.name("web");
  StartOutcome read = outcome();
  EXPECT_FALSE(read.started);
  EXPECT_EQ(read.exit_status, 125);
  EXPECT_NE(read.error, "");
}

// Runs `script` under the init of warren's, without namespaces.
pid_t start_init(const std::string& script, bool ignore_children = false) {
  pid_t child = fork();
  if (child != 0) return child;
  if (ignore_children) signal(SIGCHLD, SIG_IGN);
  LevelPlan plan;
  plan.init = true;
  plan.program = "/bin/sh";
  plan.argv = {"sh", "-c", script};
  run_levels(std::move(plan));
}

int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(Init, HasTheStatusOfItsChild) {
  EXPECT_EQ(wait_for(start_init("exit 7")), 7);
  EXPECT_EQ(wait_for(start_init("kill -KILL $$")), 128 + SIGKILL);
}

TEST(Init, PassesSignalsOn) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  for (int signal : {SIGTERM, SIGHUP, SIGUSR1, SIGINT, SIGRTMIN + 3}) {
    std::string number = std::to_string(signal);
    pid_t init = start_init("trap 'exit 50' " + number + "; echo >&" + std::to_string(ends[1]) +
                            "; while :; do sleep 0.01; done");
    char ready;
    ASSERT_EQ(read(ends[0], &ready, 1), 1);
    kill(init, signal);
    EXPECT_EQ(wait_for(init), 50) << signal;
  }
  close(ends[0]);
  close(ends[1]);
}

TEST(Init, ReapsOrphansOfOthers) {
  // The orphan goes to the nearest subreaper: here to nobody of ours, so just the child's status
  // counts.
  EXPECT_EQ(wait_for(start_init("(sleep 0.05 &) ; exit 3")), 3);
}

TEST(Init, SurvivesAParentThatIgnoresChildren) {
  EXPECT_EQ(wait_for(start_init("exit 9", true)), 9);
}

TEST(Init, MessagesForMissingPrograms) {
  pid_t child = fork();
  if (child == 0) {
    LevelPlan plan;
    plan.program = "/nonexistent";
    plan.argv = {"nonexistent"};
    close(STDERR_FILENO);
    run_levels(std::move(plan));
  }
  EXPECT_EQ(wait_for(child), 127);
}

TEST(Init, ArgumentsGoThereAndBack) {
  LevelPlan plan;
  plan.below = 12;
  plan.init = true;
  plan.program = "/bin/ls";
  plan.argv = {"ls", "-l"};
  EXPECT_EQ(make_init_argv(plan),
            Arguments({"warren", "__init", "12", "1", "/bin/ls", "ls", "-l"}));
}

}  // namespace
}  // namespace warren::cli
