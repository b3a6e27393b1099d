// warren mount and warren umount: the groups of a container as directories and files.
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "cli/command.h"
#include "cli/containers.h"
#include "cli/inside.h"
#include "control/group_request.h"

namespace warren::cli {
namespace {

constexpr char kMountExamples[] =
    "OPTIONS, with commas between them:\n"
    "  cpuset,pids,...      a hierarchy of its own for these subsystems\n"
    "  all                  one for every subsystem that is bound nowhere else\n"
    "  none,name=NAME       one without subsystems, to group tasks only\n"
    "  name=NAME            its name; alone: the one that has this name\n"
    "  release_agent=PATH   the program to run when a group becomes empty\n"
    "Without any the default hierarchy is mounted, which has all subsystems that are bound nowhere "
    "else.\n"
    "The mount ends with the container. It needs FUSE: /dev/fuse, and for users other than root "
    "fusermount3.\n"
    "\n"
    "Examples:\n"
    "  warren mount web /tmp/groups           the default hierarchy of the container 'web'\n"
    "  mkdir /tmp/groups/a; echo 20 >/tmp/groups/a/pids.max\n"
    "  warren mount -o cpuset,pids web DIR    a hierarchy for these two alone\n"
    "  warren umount /tmp/groups";

constexpr char kUmountExamples[] =
    "Groups stay when their directory is not shown any more.\n"
    "\n"
    "Examples:\n"
    "  warren umount /tmp/groups\n"
    "  warren umount web /tmp/groups   that of the container 'web', where several have been there";

constexpr char kInstall[] =
    "install fusermount3 (Debian: apt install fuse3); 'warren group' does without";

// The directory as the supervisor has to name it. One whose server is gone cannot be resolved.
std::string absolute(const std::string& dir) {
  char resolved[PATH_MAX];
  if (realpath(dir.c_str(), resolved) != nullptr) return resolved;
  if (dir.starts_with('/')) return dir;
  return getcwd(resolved, sizeof resolved) == nullptr ? dir : std::string(resolved) + "/" + dir;
}

// At most a container and a directory.
std::optional<Failure> too_many(const std::string& command, const std::vector<std::string>& words) {
  if (words.size() <= 2) return std::nullopt;
  return Failure{command, words[2], 0,
                 "one argument too many; see 'warren " + command + " --help'"};
}

// The names of all containers, or `name` alone.
std::optional<Failure> candidates(const std::string& command, const std::string& name,
                                  std::vector<std::string>& names) {
  if (!name.empty() || inside_container()) {
    names.push_back(name);
    return std::nullopt;
  }
  std::vector<control::ContainerInfo> containers;
  if (auto failure = fetch_containers(command, "", containers)) return failure;
  for (const auto& container : containers) names.push_back(container.name);
  if (names.empty()) return Failure{command, "", 0, "no container is running; see 'warren run'"};
  return std::nullopt;
}

std::string mount_advice(int error, const control::Refusal& refusal) {
  switch (error) {
    case ENODEV:
      return "there is no FUSE: load the module 'fuse'; 'warren group' does without";
    case ENOPKG:
      return kInstall;
    case EACCES:
    case EPERM:
      if (refusal.what == "peer") return "";
      if (inside_container()) return "inside a container it is 'mount -t rcfs', as root";
      if (access("/dev/fuse", R_OK | W_OK) != 0) {
        return "/dev/fuse is not for this user (Debian's udev gives it mode 0666)";
      }
      return "the directory must be one that you may write to, on an ordinary file system";
    case EBUSY:
      return "a subsystem is bound together with others, or the default hierarchy has groups";
    case ENOENT:
      return "there is no such subsystem; see cgroup.controllers";
    case EINVAL:
      return "see 'warren mount --help' for the options";
    default:
      return "";
  }
}

class MountCommand : public Command {
 public:
  MountCommand()
      : Command("mount", "Show the groups of a container as directories and files",
                kMountExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("-o,--options", options_, "What to mount; see below")->type_name("OPTIONS");
    app.add_option("[NAME] DIR", words_, "Container (default: the only one), and directory")
        ->required();
  }

  int run() override {
    if (auto failure = too_many("mount", words_)) return report(*failure);
    const std::string& dir = words_.back();
    std::vector<std::string> names;
    if (auto failure = candidates("mount", words_.size() > 1 ? words_[0] : "", names)) {
      return report(*failure);
    }
    if (names.size() > 1) {
      return report({"mount", "", 0, "several containers are running: name one; see 'warren ps'"});
    }
    struct stat st;
    if (stat(dir.c_str(), &st) != 0) return report({"mount", dir, errno, ""});
    if (!S_ISDIR(st.st_mode)) return report({"mount", dir, ENOTDIR, ""});
    Connected connected = connect_container("mount", names[0]);
    if (!connected.client) return report(connected.failure);
    control::GroupRequest request;
    request.op = control::GroupRequest::Op::kMount;
    request.path = absolute(dir);
    request.text = options_;
    control::Refusal refusal;
    if (connected.client->group(request, &refusal)) return 0;
    Failure failure = refused("mount", dir, refusal);
    if (failure.advice.empty()) failure.advice = mount_advice(refusal.error, refusal);
    return report(failure);
  }

 private:
  std::string options_;
  std::vector<std::string> words_;
};

class UmountCommand : public Command {
 public:
  UmountCommand() : Command("umount", "Undo a mount", kUmountExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] DIR", words_,
                   "Container (default: the one that has it mounted there), and directory")
        ->required();
  }

  int run() override {
    if (auto failure = too_many("umount", words_)) return report(*failure);
    const std::string& dir = words_.back();
    std::vector<std::string> names;
    if (auto failure = candidates("umount", words_.size() > 1 ? words_[0] : "", names)) {
      return report(*failure);
    }
    control::GroupRequest request;
    request.op = control::GroupRequest::Op::kUnmount;
    request.path = absolute(dir);
    Failure failure{"umount", dir, EINVAL, ""};
    for (const std::string& name : names) {
      Connected connected = connect_container("umount", name);
      if (!connected.client) {
        if (names.size() == 1) return report(connected.failure);
        continue;
      }
      control::Refusal refusal;
      if (connected.client->group(request, &refusal)) return 0;
      failure = refused("umount", dir, refusal);
      if (refusal.error != EINVAL) break;  // it is mounted there
    }
    if (failure.error == EINVAL) failure.advice = "no container's groups are mounted there";
    if (failure.error == EBUSY) failure.advice = "somebody is in there, or has a file open";
    if (failure.error == EPERM && inside_container()) {
      failure.advice = "inside a container it is umount(8)";
    }
    return report(failure);
  }

 private:
  std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Command> make_mount_command() { return std::make_unique<MountCommand>(); }
std::unique_ptr<Command> make_umount_command() { return std::make_unique<UmountCommand>(); }

}  // namespace warren::cli
