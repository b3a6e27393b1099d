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
#include <future>

#include "control/client.h"
#include "control/group_wire.h"
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

// Bytes that are no UTF-8, and numbers at their ends, go there and back.
TEST_F(ServerTest, GroupRequestsGoThereAndBack) {
  GroupReply answer;
  answer.text = std::string("a\0\xff\n", 4);
  answer.generation = UINT64_MAX;
  answer.entries = {{"\xfe x", true, 0755, 1, UINT32_MAX, UINT64_MAX}, {"pids.max", false, 0644}};
  answer.groups = {{1, "/\xfe x", 2, 3, 4, UINT64_MAX, 6, -1, true, {7, 8}}, {}};
  handler_.on_group = [&](const GroupRequest&) { return answer; };
  start();
  Client client = connect();
  GroupRequest request;
  request.op = GroupRequest::Op::kSetAttributes;
  request.hierarchy = 2;
  request.path = "/\xfe x";
  request.file = "pids.max";
  request.text = std::string("\0", 1);
  request.parents = true;
  request.pid = 5;
  request.other = 6;
  request.inode = UINT64_MAX;
  request.uid = UINT32_MAX;
  request.gid = 9;
  request.mode = 01777;
  request.generation = UINT64_MAX - 1;
  request.wait_ms = 1 << 30;
  auto reply = client.group(request, nullptr);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->text, answer.text);
  EXPECT_EQ(reply->generation, answer.generation);
  ASSERT_EQ(reply->entries.size(), 2u);
  EXPECT_EQ(reply->entries[0].name, "\xfe x");
  EXPECT_TRUE(reply->entries[0].is_group);
  EXPECT_EQ(reply->entries[0].gid, UINT32_MAX);
  EXPECT_EQ(reply->entries[0].inode, UINT64_MAX);
  EXPECT_EQ(reply->entries[1].mode, 0644u);
  ASSERT_EQ(reply->groups.size(), 2u);
  EXPECT_EQ(reply->groups[0].path, "/\xfe x");
  EXPECT_EQ(reply->groups[0].memory, UINT64_MAX);
  EXPECT_EQ(reply->groups[0].pids_max, -1);
  EXPECT_EQ(reply->groups[0].processes, std::vector<int>({7, 8}));

  ASSERT_EQ(handler_.group_requests.size(), 1u);
  const GroupRequest& got = handler_.group_requests[0];
  EXPECT_EQ(got.op, request.op);
  EXPECT_EQ(got.hierarchy, 2);
  EXPECT_EQ(got.path, request.path);
  EXPECT_EQ(got.file, request.file);
  EXPECT_EQ(got.text, request.text);
  EXPECT_TRUE(got.parents);
  EXPECT_EQ(got.pid, 5);
  EXPECT_EQ(got.other, 6);
  EXPECT_EQ(got.inode, UINT64_MAX);
  EXPECT_EQ(got.uid, UINT32_MAX);
  EXPECT_EQ(got.gid, 9u);
  EXPECT_EQ(got.mode, 01777u);
  EXPECT_EQ(got.generation, UINT64_MAX - 1);
  EXPECT_EQ(got.wait_ms, 1000);
  EXPECT_EQ(handler_.last_peer.uid, getuid());
  EXPECT_EQ(handler_.last_peer.gid, getgid());
}

TEST_F(ServerTest, GroupErrorsSayWhatIsMissing) {
  handler_.on_group = [](const GroupRequest& request) -> Result<GroupReply> {
    return Errno{request.pid == 0 ? ENOENT : ESRCH};
  };
  start();
  Client client = connect();
  Refusal refusal;
  GroupRequest request;
  EXPECT_FALSE(client.group(request, &refusal));
  EXPECT_EQ(refusal.error, ENOENT);
  EXPECT_EQ(refusal.what, "group");
  request.pid = 4;
  EXPECT_FALSE(client.group(request, &refusal));
  EXPECT_EQ(refusal.error, ESRCH);
  EXPECT_EQ(refusal.what, "task");
  request.path = std::string("/a\0b", 4);
  EXPECT_FALSE(client.group(request, &refusal));
  EXPECT_EQ(refusal.error, EINVAL);
}

TEST_F(ServerTest, AGuestMountsNothingAndMovesTasksDownOnly) {
  handler_.peer_namespace = 5002;
  handler_.on_group = [](const GroupRequest&) { return GroupReply(); };
  start();
  Client client = connect();
  Refusal refusal;
  GroupRequest request;
  for (GroupRequest::Op op : {GroupRequest::Op::kMount, GroupRequest::Op::kUnmount}) {
    request.op = op;
    EXPECT_FALSE(client.group(request, &refusal));
    EXPECT_EQ(refusal.error, EPERM);
    EXPECT_EQ(refusal.what, "mount");
  }
  request.op = GroupRequest::Op::kMoveNamespace;
  for (uint64_t outside : {5001, 1}) {
    request.inode = outside;
    EXPECT_FALSE(client.group(request, &refusal));
    EXPECT_EQ(refusal.error, ESRCH);
    EXPECT_EQ(refusal.what, "namespace");
  }
  EXPECT_EQ(handler_.group_requests.size(), 0u);
  request.inode = 5002;
  EXPECT_TRUE(client.group(request, &refusal));
  EXPECT_EQ(handler_.last_peer.ns_inode, 5002u);
}

TEST_F(ServerTest, ALongGroupRequestKeepsNobodyElse) {
  std::promise<void> begun, let_go;
  handler_.on_group = [&](const GroupRequest& request) {
    if (request.op == GroupRequest::Op::kWait) {
      begun.set_value();
      let_go.get_future().wait();
    }
    return GroupReply();
  };
  start();
  Client slow = connect(), other = connect();
  auto waiting = std::async(std::launch::async, [&] {
    GroupRequest request;
    request.op = GroupRequest::Op::kWait;
    return slow.group(request, nullptr).ok();
  });
  begun.get_future().wait();
  EXPECT_TRUE(other.info(nullptr));
  EXPECT_TRUE(other.group({}, nullptr));
  let_go.set_value();
  EXPECT_TRUE(waiting.get());
  EXPECT_TRUE(slow.info(nullptr));
}

// Who does not wait for a reply before the next request gets the replies in order.
TEST_F(ServerTest, RepliesKeepTheirOrder) {
  handler_.on_group = [](const GroupRequest& request) {
    GroupReply reply;
    reply.text = request.path;
    return reply;
  };
  start();
  auto raw = connect_socket(socket_.path());
  ASSERT_TRUE(raw);
  std::string bytes;
  for (int i = 0; i < 20; ++i) {
    GroupRequest request;
    request.path = std::to_string(i);
    GroupMessage message = encode_group_request(request);
    bytes += encode_message(message.body, message.blob);
    bytes += encode_message({{"op", "kill"}, {"nr", 1}, {"signal", i}});
  }
  ASSERT_TRUE(send_all(raw->get(), bytes));
  MessageReader reader(kMaxReply);
  for (int i = 0; i < 20; ++i) {
    auto group = receive_message(raw->get(), reader);
    ASSERT_TRUE(group);
    auto decoded = decode_group_reply(group->body, group->blob);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->text, std::to_string(i));
    auto killed = receive_message(raw->get(), reader);
    ASSERT_TRUE(killed);
    EXPECT_FALSE(killed->body.contains("sizes"));
  }
}

TEST_F(ServerTest, AClientThatLeavesDoesNotDisturbItsRequest) {
  std::promise<void> begun, let_go;
  std::atomic<bool> finished = false;
  handler_.on_group = [&](const GroupRequest&) {
    begun.set_value();
    let_go.get_future().wait();
    finished = true;
    return GroupReply();
  };
  start();
  {
    auto raw = connect_socket(socket_.path());
    ASSERT_TRUE(raw);
    GroupMessage message = encode_group_request({});
    ASSERT_TRUE(send_all(raw->get(), encode_message(message.body, message.blob)));
    begun.get_future().wait();
  }
  Client client = connect();
  EXPECT_TRUE(client.info(nullptr));
  let_go.set_value();
  server_->stop();
  EXPECT_TRUE(finished);
}

TEST_F(ServerTest, HalfGroupRequestsAreRefused) {
  start();
  auto raw = connect_socket(socket_.path());
  ASSERT_TRUE(raw);
  MessageReader reader(kMaxReply);
  GroupMessage good = encode_group_request({});
  std::vector<nlohmann::json> bodies(5, good.body);
  bodies[0]["do"] = "dance";
  bodies[1].erase("sizes");
  bodies[2]["sizes"] = {1, 0, 0};
  bodies[3]["sizes"] = {0, 0};
  bodies[4]["pid"] = "x";
  for (const nlohmann::json& body : bodies) {
    ASSERT_TRUE(send_all(raw->get(), encode_message(body, good.blob)));
    auto reply = receive_message(raw->get(), reader);
    ASSERT_TRUE(reply) << body;
    EXPECT_FALSE(reply->body["ok"].get<bool>()) << body;
  }
  EXPECT_EQ(handler_.group_requests.size(), 0u);
}

TEST_F(ServerTest, ManyClientsAtOnce) {
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect());
  for (Client& client : clients) EXPECT_TRUE(client.info(nullptr));
}

}  // namespace
}  // namespace warren::control
