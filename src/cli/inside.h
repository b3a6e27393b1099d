// Whether this process is itself a guest.
#pragma once

#include <string>

namespace warren::cli {

// Where a guest stands, as the supervisor tells in the virtual file /proc/self/warren.
struct Place {
  std::string container;
  int level = 0;
  int nr = 0;  // this process's number in its namespace
};

// True inside a container; `place`, if given, is filled in. The file does not exist on the host.
bool inside_container(Place* place = nullptr);

}  // namespace warren::cli
