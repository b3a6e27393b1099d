// groups_driver: Groups and an engine with make-believe tasks, driven by lines on standard input,
// so that run.py can take the same steps here and on the kernel's cgroups.
//
// A line is a command and its arguments, separated by tabs; the answer is a line too: "ok", with a
// text behind a tab if there is one, or "error" and the errno. A newline, tab or backslash inside a
// text is \n, \t, \\.
#include <csignal>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "warren/groups.h"
#include "warren/kernel.h"

namespace warren {
namespace {

using Words = std::vector<std::string>;

// What is asked of tasks is done when `settle` says so, as the kernel does it some time later.
class Host : public GroupHost {
 public:
  explicit Host(std::size_t cpus) : cpus_(cpus, true) {}
  void freeze(Task& task) override { stopping.emplace(&task); }
  void thaw(Task& task) override {
    std::erase_if(stopping, [&](auto& t) { return t.get() == &task; });
  }
  CpuSet cpus() override { return cpus_; }
  void kill(ThreadGroup& process, int signal) override {
    if (signal == SIGKILL) killed.emplace(&process);
  }

  struct ByAddress {
    bool operator()(const auto& a, const auto& b) const { return a.get() < b.get(); }
  };
  std::set<Ref<Task>, ByAddress> stopping;
  std::set<Ref<ThreadGroup>, ByAddress> killed;

 private:
  CpuSet cpus_;
};

class Driver {
 public:
  explicit Driver(std::size_t cpus) : host_(cpus), kernel_(std::move(Kernel::create()).value()) {
    groups_ = std::move(Groups::create(*kernel_, host_)).value();
    const Ref<Task> init = kernel_->adopt(kernel_->root(), {}).value();
    if (!groups_->adopt(*init)) std::abort();
    tasks_["init"] = init;
  }

  ~Driver() {
    for (const auto& [name, task] : tasks_) {
      if (task->alive()) end(*task);
    }
    for (const auto& [name, task] : tasks_) {
      if (task->is_leader()) release(*task);
    }
    host_.stopping.clear();
    host_.killed.clear();
  }

  // The text of the answer, or the errno.
  Result<std::string> run(const Words& words) {
    using Command = Result<std::string> (Driver::*)(const Words&);
    static const std::map<std::string, std::pair<Command, std::size_t>> commands = {
        {"mount", {&Driver::mount, 1}},  {"mkdir", {&Driver::mkdir, 2}},
        {"rmdir", {&Driver::rmdir, 2}},  {"rename", {&Driver::rename, 3}},
        {"read", {&Driver::read, 3}},    {"write", {&Driver::write, 4}},
        {"fork", {&Driver::fork, 2}},    {"thread", {&Driver::thread, 2}},
        {"exit", {&Driver::exit, 1}},    {"reap", {&Driver::reap, 1}},
        {"settle", {&Driver::settle, 0}}};
    const auto found = words.empty() ? commands.end() : commands.find(words[0]);
    if (found == commands.end() || words.size() != found->second.second + 1) {
      std::cerr << "groups_driver: bad command\n";
      std::exit(2);
    }
    return (this->*found->second.first)(words);
  }

 private:
  static Result<std::string> text(Result<void> result) {
    return result ? Result<std::string>(std::string()) : result.error();
  }
  Group& root(const std::string& hierarchy) { return *roots_.at(hierarchy); }
  // The hierarchy and the path.
  GroupRef group(const Words& words) { return groups_->find(root(words[1]), words[2]); }

  Result<std::string> mount(const Words& words) {
    const Result<MountOptions> options = MountOptions::parse(words[1]);
    if (!options) return options.error();
    Result<GroupRef> mounted = groups_->mount(*options);
    if (!mounted) return mounted.error();
    const std::string id = std::to_string((*mounted)->hierarchy().id());
    roots_.emplace(id, std::move(*mounted));
    return id;
  }

  Result<std::string> mkdir(const Words& words) {
    const std::size_t slash = words[2].rfind('/');
    const GroupRef parent =
        groups_->find(root(words[1]), slash == std::string::npos ? "" : words[2].substr(0, slash));
    if (!parent) return Errno{ENOENT};
    const std::string name = slash == std::string::npos ? words[2] : words[2].substr(slash + 1);
    const Result<GroupRef> made = groups_->make(*parent, name, {});
    return made ? Result<std::string>(std::string()) : made.error();
  }

  Result<std::string> rmdir(const Words& words) {
    const GroupRef found = group(words);
    return found ? text(groups_->remove(*found)) : Errno{ENOENT};
  }

  Result<std::string> rename(const Words& words) {
    const GroupRef found = group(words);
    return found ? text(groups_->rename(*found, words[3])) : Errno{ENOENT};
  }

  Result<std::string> read(const Words& words) {
    const GroupRef found = group(words);
    return found ? groups_->read(*found, words[3], {}) : Errno{ENOENT};
  }

  Result<std::string> write(const Words& words) {
    const GroupRef found = group(words);
    return found ? text(groups_->write(*found, words[3], words[4], {})) : Errno{ENOENT};
  }

  Result<std::string> make_task(const Words& words, const ForkArgs& args) {
    Task& parent = *tasks_.at(words[1]);
    Result<ForkMembership> membership = groups_->begin_fork(parent);
    if (!membership) return membership.error();
    Result<ForkReservation> reservation = kernel_->reserve_fork(parent, args);
    if (!reservation) return reservation.error();
    const Ref<Task> child = kernel_->publish_fork(std::move(*reservation));
    groups_->publish_fork(std::move(*membership), *child);
    tasks_[words[2]] = child;
    return std::to_string(child->vnr());
  }
  Result<std::string> fork(const Words& words) { return make_task(words, {}); }
  Result<std::string> thread(const Words& words) { return make_task(words, {.thread = true}); }

  void end(Task& task) {
    const bool leader = task.is_leader();
    kernel_->exit_task(task, 0);
    groups_->exit(task);
    if (!leader) groups_->release(task);
  }
  void end(ThreadGroup& process) {
    for (const Ref<Task>& task : process.threads()) {
      if (task->alive()) end(*task);
    }
  }
  void release(Task& task) {
    kernel_->reap(task.group());
    groups_->release(task);
  }

  // A thread that is not the leader ends alone, a leader with its process.
  Result<std::string> exit(const Words& words) {
    const Ref<Task> task = tasks_.at(words[1]);
    if (!task->is_leader()) {
      end(*task);
      tasks_.erase(words[1]);
    } else {
      end(task->group());
    }
    return std::string();
  }

  Result<std::string> reap(const Words& words) {
    release(*tasks_.at(words[1]));
    tasks_.erase(words[1]);
    return std::string();
  }

  Result<std::string> settle(const Words&) {
    for (const auto& process : std::exchange(host_.killed, {})) end(*process);
    for (const auto& task : std::exchange(host_.stopping, {})) {
      if (task->alive()) groups_->task_frozen(*task);
    }
    return std::string();
  }

  Host host_;
  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<Groups> groups_;
  std::map<std::string, GroupRef> roots_;  // by the hierarchy's id
  std::map<std::string, Ref<Task>> tasks_;
};

std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      plain += text[i];
      continue;
    }
    const char c = text[++i];
    plain += c == 'n' ? '\n' : c == 't' ? '\t' : c;
  }
  return plain;
}

std::string escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n')
      escaped += "\\n";
    else if (c == '\t')
      escaped += "\\t";
    else if (c == '\\')
      escaped += "\\\\";
    else
      escaped += c;
  }
  return escaped;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: groups_driver NUMBER-OF-PROCESSORS\n";
    return 2;
  }
  Driver driver(std::stoul(argv[1]));
  for (std::string line; std::getline(std::cin, line);) {
    Words words;
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t end = std::min(line.find('\t', at), line.size());
      words.push_back(unescape(std::string_view(line).substr(at, end - at)));
      at = end + 1;
    }
    const Result<std::string> result = driver.run(words);
    if (result) {
      std::cout << "ok\t" << escape(*result) << std::endl;
    } else {
      std::cout << "error\t" << result.error_code() << std::endl;
    }
  }
  return 0;
}

}  // namespace
}  // namespace warren

int main(int argc, char** argv) { return warren::main(argc, argv); }
