// What `warren group` can do, each a command of its own.
#pragma once

#include <memory>

#include "cli/command.h"

namespace warren::cli {

std::unique_ptr<Command> make_group_create();
std::unique_ptr<Command> make_group_rm();
std::unique_ptr<Command> make_group_ls();
std::unique_ptr<Command> make_group_tree();
std::unique_ptr<Command> make_group_set();
std::unique_ptr<Command> make_group_get();
std::unique_ptr<Command> make_group_procs();
std::unique_ptr<Command> make_group_move();
std::unique_ptr<Command> make_group_kill();

}  // namespace warren::cli
