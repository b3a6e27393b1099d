#include "control/exec_program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace warren::control {
namespace {

constexpr char kShell[] = "/bin/sh";
constexpr char kDefaultPath[] = "/bin:/usr/bin";  // confstr(_CS_PATH), as execvp(3) takes it

// Sets `exists` once the file is found, whether or not it can be executed.
Result<void> check_executable(const std::string& path, bool& exists) {
  struct stat info;
  if (stat(path.c_str(), &info) < 0) return Errno{errno};
  exists = true;
  if (S_ISDIR(info.st_mode)) return Errno{EISDIR};
  if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0) return Errno{errno};
  return {};
}

}  // namespace

Result<std::string> find_program(const std::string& command) {
  if (command.empty()) return Errno{ENOENT};
  bool exists = false;
  if (command.find('/') != std::string::npos) {
    auto executable = check_executable(command, exists);
    if (!executable) return executable.error();
    return command;
  }
  const char* variable = getenv("PATH");
  std::string path = variable != nullptr ? variable : kDefaultPath;
  int error = ENOENT;
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find(':', begin), path.size());
    std::string directory = path.substr(begin, end - begin);
    // An empty entry is the current directory (execvp(3)); the slash keeps the name a path.
    std::string candidate = (directory.empty() ? "." : directory) + "/" + command;
    exists = false;
    auto executable = check_executable(candidate, exists);
    if (executable) return candidate;
    // A directory of $PATH that may not be searched says nothing about the command.
    if (exists && executable.error_code() == EACCES) error = EACCES;
    begin = end + 1;
  }
  return Errno{error};
}

int exec_program(const char* program, char* const* argv, char* const* shell_argv,
                 char* const* envp) {
  execve(program, argv, envp);
  if (errno != ENOEXEC) return errno;
  execve(kShell, shell_argv, envp);
  return ENOEXEC;
}

std::vector<char*> make_argv(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<char*> make_shell_argv(const std::string& program,
                                   const std::vector<std::string>& argv) {
  std::vector<char*> pointers = {const_cast<char*>(kShell), const_cast<char*>(program.c_str())};
  for (size_t i = 1; i < argv.size(); ++i) {
    pointers.push_back(const_cast<char*>(argv[i].c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

int exec_exit_status(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return 127;
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOEXEC:
    case ETXTBSY:
    case ELIBBAD:
    case EINVAL:
      return 126;
    default:
      return 125;
  }
}

}  // namespace warren::control
