#include "tracer/procfs/rewrite.h"

#include "tracer/procfs/fake_view.h"

namespace warren::procfs {
namespace {

class RewriteTest : public testing::Test {
 protected:
  RewriteTest() {
    view.add(7, 1234);
    view.add(8, 99);
  }
  FakeView view;
  const TaskNumbers numbers{{7, 3}, {9, 4}, {5, 0}, {0, 0}, 2, false};
};

TEST_F(RewriteTest, StatTranslatesItsSixFields) {
  EXPECT_EQ(rewrite_stat("1234 (cat) S 1 2 3 34816 99 4194304 103\n", numbers, false, view),
            "9 (cat) S 2 5 0 34816 8 4194304 103\n");
}

TEST_F(RewriteTest, StatKeepsAnyComm) {
  EXPECT_EQ(rewrite_stat("1234 (a) R 1 (b) 7) t 1 2 3 0 -1 4194304\n", numbers, false, view),
            "9 (a) R 1 (b) 7) R 2 5 0 0 -1 4194304\n");
  EXPECT_EQ(rewrite_stat("1234 (x\ny) Z 1 2 3 0 555 0\n", numbers, false, view),
            "9 (x\ny) Z 2 5 0 0 0 0\n");
}

TEST_F(RewriteTest, StatOfAnotherFormIsLeftAlone) {
  for (const char* text : {"", "1234", "1234 (cat", "1234 (cat) ", "1234 (cat) S 1 2", "1 (c)S 1"})
    EXPECT_EQ(rewrite_stat(text, numbers, false, view), text);
}

TEST_F(RewriteTest, StateHidesTheSupervisorsStops) {
  TaskNumbers runs, stopped, shown;
  stopped.group_stopped = true;
  shown.trace_stopped = true;
  EXPECT_EQ(visible_state('t', runs, false), 'R');
  EXPECT_EQ(visible_state('t', stopped, false), 'T');
  EXPECT_EQ(visible_state('t', shown, false), 't');
  EXPECT_EQ(visible_state('t', runs, true), 'R');
  EXPECT_EQ(visible_state('S', runs, true), 'R');
  EXPECT_EQ(visible_state('Z', runs, false), 'Z');
  EXPECT_EQ(visible_state('D', stopped, false), 'D');
}

TEST_F(RewriteTest, StatusTranslatesEveryNumberLine) {
  const std::string text =
      "Name:\tcat\nUmask:\t0022\nState:\tt (tracing stop)\nTgid:\t1234\nNgid:\t0\nPid:\t1234\n"
      "PPid:\t55\nTracerPid:\t77\nUid:\t0\t0\t0\t0\nNStgid:\t1234\nNSpid:\t1234\nNSpgid:\t3\n"
      "NSsid:\t4\nVmPeak:\t    3060 kB\nSeccomp:\t2\n";
  EXPECT_EQ(rewrite_status(text, numbers, false, view),
            "Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t7\nNgid:\t0\nPid:\t9\n"
            "PPid:\t2\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nNStgid:\t7\t3\nNSpid:\t9\t4\n"
            "NSpgid:\t5\t0\nNSsid:\t0\t0\nVmPeak:\t    3060 kB\nSeccomp:\t2\n");
}

TEST_F(RewriteTest, StatusShowsAGroupStop) {
  TaskNumbers stopped = numbers;
  stopped.group_stopped = true;
  EXPECT_EQ(rewrite_status("State:\tt (tracing stop)\n", stopped, false, view),
            "State:\tT (stopped)\n");
}

TEST_F(RewriteTest, SchedTranslatesTheFirstLine) {
  EXPECT_EQ(rewrite_sched("a (b) (1234, #threads: 2)\n---\nse.x : 1234\n", numbers),
            "a (b) (9, #threads: 2)\n---\nse.x : 1234\n");
  EXPECT_EQ(rewrite_sched("nothing\n", numbers), "nothing\n");
}

TEST_F(RewriteTest, ChildrenLeavesOutWhoIsNotVisible) {
  EXPECT_EQ(rewrite_children("1234 5 99 ", view), "7 8 ");
  EXPECT_EQ(rewrite_children("", view), "");
}

TEST_F(RewriteTest, FdinfoOfAPidfd) {
  EXPECT_EQ(rewrite_fdinfo("pos:\t0\nflags:\t02000002\nPid:\t1234\nNSpid:\t1234\n", view),
            "pos:\t0\nflags:\t02000002\nPid:\t7\nNSpid:\t7\n");
  EXPECT_EQ(rewrite_fdinfo("Pid:\t-1\nNSpid:\t-1\n", view), "Pid:\t-1\nNSpid:\t-1\n");
  EXPECT_EQ(rewrite_fdinfo("Pid:\t5\nNSpid:\t5\n", view), "Pid:\t0\nNSpid:\t0\n");
}

TEST_F(RewriteTest, FdinfoLocks) {
  EXPECT_EQ(rewrite_fdinfo("pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 1234 00:0f:5 0 EOF\n", view),
            "pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 7 00:0f:5 0 EOF\n");
}

TEST_F(RewriteTest, Locks) {
  EXPECT_EQ(rewrite_locks("1: POSIX  ADVISORY  WRITE 1234 00:16:21 0 EOF\n"
                          "1: -> POSIX  ADVISORY  WRITE 99 00:16:21 0 EOF\n"
                          "2: FLOCK  ADVISORY  WRITE 5 00:16:21 0 EOF\n"
                          "3: OFDLCK ADVISORY  READ  -1 00:16:21 0 EOF\n",
                          view),
            "1: POSIX  ADVISORY  WRITE 7 00:16:21 0 EOF\n"
            "1: -> POSIX  ADVISORY  WRITE 8 00:16:21 0 EOF\n"
            "3: OFDLCK ADVISORY  READ  -1 00:16:21 0 EOF\n");
}

TEST_F(RewriteTest, Timers) {
  EXPECT_EQ(rewrite_timers("ID: 0\nsignal: 14/0\nnotify: signal/pid.1234\nClockID: 0\n", view),
            "ID: 0\nsignal: 14/0\nnotify: signal/pid.7\nClockID: 0\n");
  EXPECT_EQ(rewrite_timers("notify: none/tid.99\n", view), "notify: none/tid.8\n");
}

TEST_F(RewriteTest, LoadavgEndsWithTheLastNumber) {
  EXPECT_EQ(rewrite_loadavg("0.00 0.03 0.00 1/89 31586\n", 42), "0.00 0.03 0.00 1/89 42\n");
}

TEST_F(RewriteTest, SysvipcKeepsItsColumns) {
  EXPECT_EQ(
      rewrite_sysvipc("key shmid perms size cpid lpid nattch\n"
                      "         0          1   600                  4096  1234     5      1\n",
                      4, 5, view),
      "key shmid perms size cpid lpid nattch\n"
      "         0          1   600                  4096     7     0      1\n");
}

}  // namespace
}  // namespace warren::procfs
