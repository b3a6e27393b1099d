#include "cli/inside.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/unique_fd.h"

namespace warren::cli {

bool inside_container(Place* place) {
  UniqueFd fd(open("/proc/self/warren", O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  char buffer[1024];
  ssize_t size = read(fd.get(), buffer, sizeof buffer);
  if (size <= 0) return false;
  auto json = nlohmann::json::parse(buffer, buffer + size, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return false;
  if (place == nullptr) return true;
  try {
    json.at("container").get_to(place->container);
    json.at("level").get_to(place->level);
    json.at("nr").get_to(place->nr);
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  return true;
}

}  // namespace warren::cli
