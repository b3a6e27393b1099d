// warren exec: one more process in an existing namespace.
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "cli/command.h"
#include "cli/containers.h"
#include "cli/exec_session.h"
#include "control/exec_program.h"
#include "control/ns_selector.h"

namespace warren::cli {
namespace {

constexpr char kExecExamples[] =
    "CMD gets this command's environment, directory, and standard input, output and error; with -t "
    "a\n"
    "terminal of its own. Signals sent to this command are passed on to CMD. Exit status as with\n"
    "'warren run'.\n"
    "\n"
    "Examples:\n"
    "  warren exec web -t -- bash\n"
    "  warren exec web -- ps -ef\n"
    "  warren exec web:2 -- kill -HUP 1";

std::string current_directory() {
  char path[PATH_MAX];
  return getcwd(path, sizeof path) != nullptr ? path : "/";
}

mode_t current_umask() {
  mode_t mask = umask(0);
  umask(mask);
  return mask;
}

class ExecCommand : public Command {
 public:
  ExecCommand() : Command("exec", "Run a command in an existing namespace", kExecExamples) {
    before_guest_command = 1;
  }

  void declare(CLI::App& app) override {
    app.add_option("NAME[:NS]", target_, "Container, and namespace in it (default: the topmost)")
        ->required();
    app.add_flag("-t,--tty", tty_, "Give CMD a terminal of its own");
    app.add_option("CMD", argv_, "The command and its arguments")->required();
  }

  int run() override {
    auto program = control::find_program(argv_[0]);
    if (!program) {
      int status = control::exec_exit_status(program.error_code());
      return report({"exec", argv_[0], program.error_code(),
                     status == 127 ? "check the spelling and PATH" : "it must be a program",
                     status});
    }
    control::Target target = control::split_target(target_);
    Connected connected = connect_container("exec", target.name);
    if (!connected.client) return report(connected.failure);
    control::ExecCommand command;
    command.ns = target.ns;
    command.program = *program;
    command.argv = argv_;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      command.env.emplace_back(*variable);
    }
    command.cwd = current_directory();
    command.umask = current_umask();
    command.tty = tty_;
    return run_exec_session(*connected.client, std::move(command), target_);
  }

 private:
  std::string target_;
  bool tty_ = false;
  std::vector<std::string> argv_;
};

}  // namespace

std::unique_ptr<Command> make_exec_command() { return std::make_unique<ExecCommand>(); }

}  // namespace warren::cli
