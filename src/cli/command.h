// What the table of commands consists of.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/run_options.h"

namespace warren::cli {

// Starts a container and serves it until it ends; the tracer's.
using RunContainer = std::function<control::RunOutcome(control::RunOptions)>;

// One command of the command line. declare() is called once; run() after its options are parsed.
class Command {
 public:
  virtual ~Command() = default;
  virtual void declare(CLI::App& app) = 0;
  // Returns the exit status.
  virtual int run() = 0;

  const char* name;      // as typed
  const char* summary;   // one line
  const char* examples;  // shown at the end of --help
  // Arguments that stand before a command line for guests, from which on nothing is an option of
  // warren's; -1 if the command takes no such command line.
  int before_guest_command = -1;

 protected:
  Command(const char* name, const char* summary, const char* examples)
      : name(name), summary(summary), examples(examples) {}
};

std::unique_ptr<Command> make_run_command(RunContainer run_container);
std::unique_ptr<Command> make_ps_command();
std::unique_ptr<Command> make_ns_command();
std::unique_ptr<Command> make_top_command();
std::unique_ptr<Command> make_exec_command();
std::unique_ptr<Command> make_kill_command();
std::unique_ptr<Command> make_group_command();
std::unique_ptr<Command> make_freeze_command();
std::unique_ptr<Command> make_thaw_command();
std::unique_ptr<Command> make_move_command();
std::unique_ptr<Command> make_mount_command();
std::unique_ptr<Command> make_umount_command();
std::unique_ptr<Command> make_doctor_command();

}  // namespace warren::cli
