// From a command's name to a running program, as execvp(3) does it, in two steps: the search, whose
// errors are known before anything is started, and the execve.
#pragma once

#include <string>
#include <vector>

#include "warren/result.h"

namespace warren::control {

// The path of `command`: itself if it holds a slash, else the first executable file of that name in
// $PATH. Errors: ENOENT none; EACCES found, but not executable; EISDIR a directory; those of
// stat(2).
Result<std::string> find_program(const std::string& command);

// Executes `program`; a file that the kernel does not know how to run goes to /bin/sh, as with
// execvp(3). Returns the errno if it fails. Async-signal-safe: may be called after fork() in a
// process with threads; `argv` and `envp` end with nullptr, and `shell_argv` is
// make_shell_argv()'s.
int exec_program(const char* program, char* const* argv, char* const* shell_argv,
                 char* const* envp);

// {"/bin/sh", program, argv[1], ..., nullptr}. Points into the arguments.
std::vector<char*> make_shell_argv(const std::string& program,
                                   const std::vector<std::string>& argv);
// {argv[0], ..., nullptr}. Points into the argument.
std::vector<char*> make_argv(const std::vector<std::string>& argv);

// The exit status that env(1), docker(1) and shells give for a failed execve: 127 not found, 126
// not executable, 125 anything else.
int exec_exit_status(int error);

}  // namespace warren::control
