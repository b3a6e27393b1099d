// [NAME] GROUP: which container's groups a command is about, and what to tell when they refuse.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/report.h"
#include "control/client.h"

namespace warren::cli {

// A connection to one container, for operations on its groups. Every function that fails has
// reported why, and leaves the exit status.
class GroupTarget {
 public:
  // `command`: as typed, for messages.
  explicit GroupTarget(std::string command) : command_(std::move(command)) {}

  // --hierarchy. The text is resolved when the target is opened.
  void declare(CLI::App& app);

  // Takes the container's name from the front of `words` if one is there, and connects. There is
  // none if the first word begins with '/', or if there are just `least` words (not if that is 0);
  // inside a container also if it is not that container's name. Without a name it is the container
  // around the caller, or the only one that runs.
  bool open(std::vector<std::string>& words, std::size_t least);

  // What it was opened for: "web:/a" for messages.
  std::string shown(const std::string& path) const;
  const std::string& command() const { return command_; }
  const std::string& container() const { return container_; }
  int hierarchy() const { return hierarchy_; }  // -1: not asked for
  control::Client& client() { return *client_; }
  int status() const { return status_; }

  // Asks; nullopt after a failure has been reported. `on`: what the message names.
  std::optional<control::GroupReply> ask(const control::GroupRequest& request,
                                         const std::string& on);
  // A request of this hierarchy.
  control::GroupRequest request(control::GroupRequest::Op op, const std::string& path) const;
  bool write(const std::string& path, const std::string& file, const std::string& text);
  std::optional<std::string> read(const std::string& path, const std::string& file);
  // Waits until a line of the group's cgroup.events is `line`, whatever it takes. False: the group
  // is gone, or something else has been reported. With `end_too` the end of the container is as
  // good.
  bool wait_for_event(const std::string& path, const std::string& line, bool end_too = false);

  // Uses the hierarchy that the subsystem is bound to, unless another was asked for.
  bool prefer_hierarchy_of(const std::string& subsystem);

  bool fail(const Failure& failure);

 private:
  bool connect(std::string name);
  bool resolve_hierarchy();
  bool refuse(const control::GroupRequest& request, const std::string& on,
              const control::Refusal& refusal);
  std::string advice(const control::GroupRequest& request, const control::Refusal& refusal);

  std::string command_, container_, hierarchy_text_;
  std::optional<control::Client> client_;
  int hierarchy_ = -1;
  int status_ = 0;
};

// [NAME] [GROUP], both of which may be left out.
class OptionalGroup {
 public:
  void declare(CLI::App& app, const std::string& of_name = "Container (default: the only one)");
  bool empty() const { return first_.empty() && second_.empty(); }
  // Opens the target, and gives the path; nullopt: reported.
  std::optional<std::string> open(GroupTarget& target) const;

 private:
  std::string first_, second_;
};

// One hierarchy, as kHierarchies names it.
struct HierarchyName {
  int id = 0;
  std::vector<std::string> subsystems;
  std::string name;
};
HierarchyName parse_hierarchy(const std::string& text);  // "ID:a,b:NAME"

// "FILE=VALUE" cut at the first '='. nullopt: there is none, or nothing before it.
std::optional<std::pair<std::string, std::string>> parse_setting(const std::string& text);

// The number of a process; nullopt: none.
std::optional<int> parse_pid(const std::string& text);
// Reports that it is none.
int bad_pid(const std::string& what, const std::string& text);

// Moves a task by writing its number to `file` of the group. False: reported.
bool move_task(GroupTarget& target, const std::string& path, const std::string& file,
               const std::string& pid);

// A path as users write it, "a/b", "/a//b/": "/a/b".
std::string group_path(const std::string& text);

}  // namespace warren::cli
