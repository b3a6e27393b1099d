#include "control/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "control/client.h"
#include "control/native_handler_for_test.h"
#include "control/runtime_dir.h"

namespace warren::control {
namespace {

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "warren-test-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    auto socket = RuntimeDir::open_at(path_, false)->claim("sample");
    ASSERT_TRUE(socket);
    socket_ = std::move(*socket);
    handler_.container = sample_container();
    // Numbers that exist, since details are read from /proc.
    for (TaskInfo& task : handler_.container.tasks) task.nrs.front() = getpid();
  }
  void TearDown() override {
    server_.reset();
    socket_.remove();
    std::filesystem::remove_all(path_);
  }

  void start() {
    auto server = Server::start(socket_.listener(), handler_);
    ASSERT_TRUE(server);
    server_ = std::move(*server);
  }
  Client connect() {
    auto client = Client::connect(socket_.path());
    EXPECT_TRUE(client);
    return std::move(client).value();
  }
  static ExecCommand command(std::vector<std::string> argv) {
    ExecCommand command;
    command.program = argv[0];
    command.argv = std::move(argv);
    command.cwd = "/";
    command.env = {"A=\xff b", "PATH=/bin:/usr/bin"};
    return command;
  }
  static Result<ExecEnd> wait_end(Client& client) {
    for (;;) {
      auto end = client.receive_end();
      if (!end) return end.error();
      if (*end) return **end;
      pollfd ready{client.socket(), POLLIN, 0};
      poll(&ready, 1, -1);
    }
  }

  std::string path_;
  ContainerSocket socket_;
  NativeHandler handler_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, HostSeesEverything) {
  start();
  Client client = connect();
  auto info = client.info(nullptr);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->supervisor_pid, 100);
  EXPECT_EQ(info->tasks.size(), 3u);
  EXPECT_EQ(info->view_level, 0);
}

TEST_F(ServerTest, AGuestSeesItsNamespaceDownward) {
  handler_.peer_namespace = 5002;
  start();
  Client client = connect();
  auto info = client.info(nullptr);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->view_level, 2);
  EXPECT_EQ(info->tasks.size(), 1u);
  EXPECT_EQ(info->tasks[0].nrs, std::vector<int>({1}));
}

TEST_F(ServerTest, AGuestReachesNothingAbove) {
  handler_.peer_namespace = 5002;
  start();
  Client client = connect();
  Refusal refusal;
  EXPECT_FALSE(client.kill("5001", 1, SIGTERM, &refusal));
  EXPECT_EQ(refusal.error, ESRCH);
  EXPECT_EQ(refusal.what, "namespace");
  EXPECT_TRUE(client.kill("", 1, SIGTERM, &refusal));
  ASSERT_EQ(handler_.kills.size(), 1u);
  EXPECT_EQ(handler_.kills[0].ns_inode, 5002u);
  EXPECT_EQ(handler_.last_peer.pid, getpid());
}

// A guest of another container looks like this: traced, and not known to this supervisor.
TEST_F(ServerTest, TracedStrangersAreTurnedAway) {
  start();
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    auto client = Client::connect(socket_.path());
    Refusal refusal;
    if (!client || client->info(&refusal)) _exit(1);
    _exit(refusal.error == EPERM && refusal.what == "peer" ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ServerTest, KillNamesTaskAndNamespace) {
  start();
  Client client = connect();
  Refusal refusal;
  EXPECT_TRUE(client.kill("2", 0, SIGKILL, &refusal));
  EXPECT_EQ(handler_.kills[0].ns_inode, 5002u);
  EXPECT_EQ(handler_.kills[0].nr, 0);
  EXPECT_FALSE(client.kill("", 404, SIGTERM, &refusal));
  EXPECT_EQ(refusal.what, "task");
  EXPECT_FALSE(client.kill("", -1, SIGTERM, &refusal));
  EXPECT_EQ(refusal.error, EINVAL);
}

TEST_F(ServerTest, ExecPassesEverythingAndReportsTheEnd) {
  start();
  Client client = connect();
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  ExecCommand asked =
      command({"/bin/sh", "-c", "printf '%s %s %s' \"$A\" \"$PWD\" \"$1\"; exit 7", "sh", "\xfe"});
  asked.stdio = {-1, writer.get(), 2};
  auto started = client.exec(asked, nullptr);
  ASSERT_TRUE(started);
  EXPECT_GT(started->level0, 0);
  EXPECT_EQ(started->nr, 7);
  writer.reset();
  auto end = wait_end(client);
  ASSERT_TRUE(end);
  EXPECT_EQ(WEXITSTATUS(end->wait_status), 7);
  char buffer[64];
  ssize_t size = read(reader.get(), buffer, sizeof buffer);
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(size)), "\xff b / \xfe");
}

TEST_F(ServerTest, ExecTellsWhyNot) {
  start();
  Client client = connect();
  ASSERT_TRUE(client.exec(command({"/nonexistent"}), nullptr));
  auto end = wait_end(client);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exec_errno, ENOENT);

  Client other = connect();
  ExecCommand wrong = command({"/bin/true"});
  wrong.ns = "99";
  Refusal refusal;
  EXPECT_FALSE(other.exec(wrong, &refusal));
  EXPECT_EQ(refusal.what, "namespace");
}

TEST_F(ServerTest, SignalsReachTheProcess) {
  start();
  Client client = connect();
  ASSERT_TRUE(client.exec(command({"/bin/sleep", "100"}), nullptr));
  ASSERT_TRUE(client.signal_exec(SIGTERM));
  auto end = wait_end(client);
  ASSERT_TRUE(end);
  EXPECT_TRUE(WIFSIGNALED(end->wait_status));
  EXPECT_EQ(WTERMSIG(end->wait_status), SIGTERM);
}

TEST_F(ServerTest, StopDeliversEndsAlreadyReported) {
  start();
  Client client = connect();
  ASSERT_TRUE(client.exec(command({"/bin/true"}), nullptr));
  auto end = wait_end(client);
  ASSERT_TRUE(end);
  server_->stop();
  EXPECT_EQ(client.info(nullptr).ok(), false);
}

TEST_F(ServerTest, NonsenseEndsTheConnectionOnly) {
  start();
  auto raw = connect_socket(socket_.path());
  ASSERT_TRUE(raw);
  ASSERT_EQ(send(raw->get(), "\2\0\0\0\0\0\0\0[]", 10, 0), 10);
  char byte;
  EXPECT_EQ(read(raw->get(), &byte, 1), 0);
  Client client = connect();
  EXPECT_TRUE(client.info(nullptr));
}

TEST_F(ServerTest, UnknownAndHalfRequestsAreRefused) {
  start();
  auto raw = connect_socket(socket_.path());
  ASSERT_TRUE(raw);
  MessageReader reader(kMaxReply);
  for (const nlohmann::json& body :
       {nlohmann::json{{"op", "dance"}}, nlohmann::json{{"op", "kill"}}, nlohmann::json{{"op", 3}},
        nlohmann::json{{"op", "exec"}, {"argc", 1}}}) {
    ASSERT_TRUE(send_all(raw->get(), encode_message(body)));
    auto reply = receive_message(raw->get(), reader);
    ASSERT_TRUE(reply) << body;
    EXPECT_FALSE(reply->body["ok"].get<bool>());
  }
}

TEST_F(ServerTest, ManyClientsAtOnce) {
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect());
  for (Client& client : clients) EXPECT_TRUE(client.info(nullptr));
}

}  // namespace
}  // namespace warren::control
