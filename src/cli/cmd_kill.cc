// warren kill: a signal for a task or for a whole namespace.
#include <signal.h>

#include <charconv>

#include "cli/command.h"
#include "cli/containers.h"
#include "cli/signals.h"
#include "control/ns_selector.h"

namespace warren::cli {
namespace {

constexpr char kKillExamples[] =
    "Without NR the signal goes to every task of the namespace and of those below it: SIGKILL, "
    "unless -s\n"
    "says otherwise. With NR it goes to the task of that number in the namespace: SIGTERM by "
    "default.\n"
    "\n"
    "Examples:\n"
    "  warren kill web                 end the container\n"
    "  warren kill web:2 -s INT 17     SIGINT to task 17 of the namespace at level 2";

class KillCommand : public Command {
 public:
  KillCommand() : Command("kill", "Send a signal to a task or to a namespace", kKillExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("NAME[:NS]", target_, "Container, and namespace in it (default: the topmost)")
        ->required();
    app.add_option("NR", nr_text_, "Number of the task in that namespace");
    app.add_option("-s,--signal", signal_text_, "Signal, by name or number")->type_name("SIG");
  }

  int run() override {
    int nr = 0;
    int signal = nr_text_.empty() ? SIGKILL : SIGTERM;
    if (!nr_text_.empty()) {
      const char* end = nr_text_.data() + nr_text_.size();
      auto [rest, error] = std::from_chars(nr_text_.data(), end, nr);
      if (error != std::errc() || rest != end || nr < 1) {
        return report(
            {"kill", nr_text_, EINVAL, "give the number of a task, as 'warren ps' shows it"});
      }
    }
    if (!signal_text_.empty()) {
      auto parsed = parse_signal(signal_text_);
      if (!parsed) {
        return report({"kill: --signal", signal_text_, EINVAL, "'kill -l' lists the signals"});
      }
      signal = *parsed;
    }
    control::Target target = control::split_target(target_);
    Connected connected = connect_container("kill", target.name);
    if (!connected.client) return report(connected.failure);
    control::Refusal refusal;
    auto killed = connected.client->kill(target.ns, nr, signal, &refusal);
    if (!killed) {
      std::string on = nr == 0 ? target_ : target_ + " " + std::to_string(nr);
      return report(refused("kill", on, refusal));
    }
    return 0;
  }

 private:
  std::string target_, nr_text_, signal_text_;
};

}  // namespace

std::unique_ptr<Command> make_kill_command() { return std::make_unique<KillCommand>(); }

}  // namespace warren::cli
