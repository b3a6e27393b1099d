// What terminfo(5) knows about the terminal. Apart from the screen, since <term.h> makes macros of
// many good words.
#pragma once

#include <string>

namespace warren::cli::top {

// Why nothing can be drawn on the terminal that TERM names; empty: it can. Not yet printable.
std::string terminal_type_complaint();

// A capability's text, by terminfo's short name; empty: the terminal has none. Only after
// terminal_type_complaint() or newterm(3).
std::string terminfo_string(const char* name);

}  // namespace warren::cli::top
