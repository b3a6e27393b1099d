// `warren exec` against a real server, with ordinary processes in place of guests.
#include "cli/exec_session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <filesystem>

#include "control/native_handler_for_test.h"
#include "control/runtime_dir.h"
#include "control/server.h"

namespace warren::cli {
namespace {

class ExecSessionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "warren-test-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    auto socket = control::RuntimeDir::open_at(path_, false)->claim("sample");
    ASSERT_TRUE(socket);
    socket_ = std::move(*socket);
    ASSERT_NO_FATAL_FAILURE(start_server());
  }
  void TearDown() override {
    stop_.reset();
    EXPECT_EQ(wait_for(server_), 0);
    socket_.remove();
    std::filesystem::remove_all(path_);
  }

  // The server is a process of its own, until stop_ is closed: with its threads in this one, a
  // session forked here might inherit an allocator that one of them has locked.
  void start_server() {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd stopped(ends[0]);
    stop_.reset(ends[1]);
    server_ = fork();
    ASSERT_GE(server_, 0);
    if (server_ != 0) return;
    stop_.reset();
    {
      control::NativeHandler handler;
      handler.container = control::sample_container();
      auto server = control::Server::start(socket_.listener(), handler);
      char byte;
      if (!server || read(stopped.get(), &byte, 1) != 0) _exit(1);
    }
    _exit(0);
  }

  // Runs a session in a child whose stdin and stdout are `fd`, a terminal of its own if `tty`.
  pid_t session(const std::string& script, bool with_tty, int fd, int error = -1) {
    pid_t child = fork();
    if (child != 0) return child;
    stop_.reset();
    setsid();
    dup2(fd, 0);
    dup2(fd, 1);
    if (error >= 0) dup2(error, 2);
    ioctl(0, TIOCSCTTY, 0);
    auto client = control::Client::connect(socket_.path());
    control::ExecCommand command;
    command.program = "/bin/sh";
    command.argv = {"sh", "-c", script};
    command.env = {"PATH=/bin:/usr/bin"};
    command.cwd = "/";
    command.tty = with_tty;
    _exit(run_exec_session(*client, command, "sample"));
  }

  // The user's terminal: 33 lines by 77.
  void open_terminal() {
    master_.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master_);
    ASSERT_EQ(grantpt(master_.get()), 0);
    ASSERT_EQ(unlockpt(master_.get()), 0);
    slave_.reset(open(ptsname(master_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(slave_);
    winsize size{33, 77, 0, 0};
    ASSERT_EQ(ioctl(master_.get(), TIOCSWINSZ, &size), 0);
  }
  // Reads from the terminal until `text` has come.
  bool shows(const std::string& text) {
    char byte;
    while (shown_.find(text) == std::string::npos) {
      if (read(master_.get(), &byte, 1) != 1) return false;
      shown_ += byte;
    }
    shown_.erase(0, shown_.find(text) + text.size());
    return true;
  }
  void type(const std::string& text) {
    ASSERT_EQ(write(master_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static int wait_for(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string path_, shown_;
  UniqueFd master_, slave_;
  control::ContainerSocket socket_;
  UniqueFd stop_;
  pid_t server_ = -1;
};

TEST_F(ExecSessionTest, PassesItsOwnDescriptors) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  pid_t child = session("echo hello; exit 5", false, writer.get());
  writer.reset();
  EXPECT_EQ(wait_for(child), 5);
  char buffer[16];
  EXPECT_EQ(read(reader.get(), buffer, sizeof buffer), 6);
}

TEST_F(ExecSessionTest, StatusOfSignals) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(wait_for(session("kill -9 $$", false, null.get())), 137);
}

TEST_F(ExecSessionTest, ATerminalOfItsOwn) {
  open_terminal();
  pid_t child = session(
      "stty size; test -t 0 && test -t 1 && echo terminal; read line; "
      "echo \"got $line\"; exit 4",
      true, slave_.get());
  EXPECT_TRUE(shows("33 77"));
  EXPECT_TRUE(shows("terminal"));
  type("words\r");
  EXPECT_TRUE(shows("got words"));
  EXPECT_EQ(wait_for(child), 4);
  termios settings;
  ASSERT_EQ(tcgetattr(slave_.get(), &settings), 0);
  EXPECT_NE(settings.c_lflag & ICANON, 0u) << "the user's terminal was left raw";
}

TEST_F(ExecSessionTest, ControlCActsInside) {
  open_terminal();
  pid_t child = session("trap 'echo caught; exit 6' INT; echo ready; while :; do sleep 0.01; done",
                        true, slave_.get());
  EXPECT_TRUE(shows("ready"));
  type("\x03");
  EXPECT_TRUE(shows("caught"));
  EXPECT_EQ(wait_for(child), 6);
}

TEST_F(ExecSessionTest, WindowSizeFollows) {
  open_terminal();
  pid_t child = session("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done",
                        true, slave_.get());
  EXPECT_TRUE(shows("ready"));
  winsize size{10, 20, 0, 0};
  ASSERT_EQ(ioctl(master_.get(), TIOCSWINSZ, &size), 0);
  EXPECT_TRUE(shows("10 20"));
  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(ExecSessionTest, EndOfInputIsPassedOn) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(wait_for(session("cat; exit 8", true, null.get())), 8);
}

TEST_F(ExecSessionTest, AllOutputIsShown) {
  open_terminal();
  pid_t child = session("seq 1 5000; echo end", true, slave_.get());
  EXPECT_TRUE(shows("5000"));
  EXPECT_TRUE(shows("end"));
  EXPECT_EQ(wait_for(child), 0);
}

}  // namespace
}  // namespace warren::cli
