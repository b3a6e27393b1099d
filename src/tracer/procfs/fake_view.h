// For tests: a namespace made up of processes of the host that the test started, and such
// processes.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <utility>

#include "tracer/procfs/view.h"

namespace warren::procfs {

// A view whose tasks are entered by hand. Tasks are thread groups of their own unless entered as
// threads.
class FakeView : public ProcView {
 public:
  FakeView() : namespace_(::memfd_create(kNamespaceMemfdName, MFD_CLOEXEC)) { add(1, ::getpid()); }
  void add(int vnr, int host, int host_tgid = 0) {
    hosts_[vnr] = host;
    guests_[host] = vnr;
    tgids_[host] = host_tgid != 0 ? host_tgid : host;
  }
  void remove(int vnr) {
    guests_.erase(hosts_[vnr]);
    hosts_.erase(vnr);
  }
  void set_self(int host_tgid, int host_tid) { self_ = {host_tgid, host_tid}; }

  int to_host(int vnr) const override { return find(hosts_, vnr); }
  int to_guest(int host) const override { return find(guests_, host); }
  bool group_stopped(int) const override { return false; }
  bool numbers(int host_tid, TaskNumbers* out) const override {
    const int vnr = to_guest(host_tid);
    if (vnr == 0) return false;
    *out = {{to_guest(tgid_of(host_tid))}, {vnr}, {1}, {1}, vnr == 1 ? 0 : 1, stopped};
    return true;
  }
  int next_process(int at_least) const override {
    for (auto at = hosts_.lower_bound(at_least); at != hosts_.end(); ++at)
      if (tgid_of(at->second) == at->second) return at->first;
    return 0;
  }
  std::vector<int> threads(int host_tgid) const override {
    std::vector<int> found;
    for (const auto& [vnr, host] : hosts_)
      if (tgid_of(host) == host_tgid) found.push_back(vnr);
    return found;
  }
  int tgid_of(int host_tid) const override { return find(tgids_, host_tid); }
  int self_tgid_host() const override { return self_.first; }
  int self_tid_host() const override { return self_.second; }
  int last_pid() const override { return last; }
  int pid_max() const override { return 4194304; }
  bool may_set_sysctl() const override { return may_set; }
  Result<UniqueFd> namespace_fd(int, bool) const override {
    UniqueFd fd(::fcntl(namespace_.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd.ok()) return Errno{errno};
    return fd;
  }
  std::string cgroup_of(int host_tid) const override {
    return "0::/group of " + std::to_string(to_guest(host_tid)) + "\n";
  }
  std::string cgroups() const override { return "#subsys_name\n"; }
  std::vector<ShownMount> group_mounts() const override { return {}; }
  std::string warren_json() const override { return json; }

  int last = 42;
  bool may_set = true;
  bool stopped = false;
  std::string json = "{}\n";

 private:
  static int find(const std::map<int, int>& map, int key) {
    const auto at = map.find(key);
    return at == map.end() ? 0 : at->second;
  }
  UniqueFd namespace_;
  std::map<int, int> hosts_, guests_, tgids_;
  std::pair<int, int> self_{::getpid(), ::gettid()};
};

// A process that runs `setup` and then sleeps until the end of its owner.
class Child {
 public:
  explicit Child(const std::function<void()>& setup = [] {}) {
    int ready[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      setup();
      [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int pid() const { return pid_; }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

}  // namespace warren::procfs
