#include "cli/top/terminfo.h"

#include <unistd.h>

#include <cstdlib>

#define NCURSES_NOMACROS 1
#include <curses.h>
#include <term.h>

namespace warren::cli::top {

std::string terminfo_string(const char* name) {
  const char* text = tigetstr(const_cast<char*>(name));
  return text == nullptr || text == reinterpret_cast<const char*>(-1) ? "" : text;
}

std::string terminal_type_complaint() {
  const char* type = getenv("TERM");
  if (type == nullptr || *type == '\0') return "TERM is not set";
  int found = 0;  // setupterm(3) would say it itself, and exit
  if (setupterm(type, STDOUT_FILENO, &found) != OK) {
    return std::string("TERM=") + type + " is not known here";
  }
  if (terminfo_string("cup").empty())
    return std::string("TERM=") + type + " cannot move its cursor";
  return "";
}

}  // namespace warren::cli::top
