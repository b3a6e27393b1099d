// Names of containers: what is allowed, and a friendly one for those who give none.
#pragma once

#include <string>
#include <string_view>

namespace warren::control {

// A letter or digit, then at most 63 letters, digits, '_', '.' or '-': safe as a file name and
// without the ':' that separates a namespace.
bool valid_container_name(std::string_view name);

// A random adjective_noun, such as "quiet_burrow". Not unique: the runtime directory decides.
std::string random_container_name();

}  // namespace warren::control
