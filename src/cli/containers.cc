#include "cli/containers.h"

#include <algorithm>
#include <cstdlib>

#include "cli/inside.h"
#include "control/container_name.h"
#include "control/runtime_dir.h"

namespace warren::cli {
namespace {

constexpr char kOwn[] = ".";

// The socket of the container that this process runs in.
std::string own_socket(const Place& place) {
  if (const char* path = getenv("WARREN_SOCKET"); path != nullptr && *path != '\0') return path;
  auto dir = control::RuntimeDir::open_first(/*create=*/false, nullptr);
  return dir ? dir->socket_path(place.container) : "";
}

// The socket of `name` in whichever directory has it; empty: none does.
std::string find_socket(const std::string& name) {
  for (const std::string& path : control::RuntimeDir::candidates()) {
    auto dir = control::RuntimeDir::open_at(path, /*create=*/false);
    if (!dir) continue;
    auto names = dir->list();
    if (names && std::binary_search(names->begin(), names->end(), name)) {
      return dir->socket_path(name);
    }
  }
  return "";
}

struct Names {
  std::vector<std::string> names;
  std::optional<Failure> failure;
};

Names running_containers(const std::string& command) {
  if (inside_container()) return {{kOwn}, std::nullopt};
  Names found;
  for (const std::string& path : control::RuntimeDir::candidates()) {
    auto dir = control::RuntimeDir::open_at(path, /*create=*/false);
    if (!dir) {
      if (dir.error_code() != ENOENT) {
        found.failure = {command, path, dir.error_code(), "it must be yours with mode 0700"};
      }
      continue;
    }
    auto names = dir->list();
    if (!names) {
      found.failure = {command, path, names.error_code(), ""};
      continue;
    }
    found.names.insert(found.names.end(), names->begin(), names->end());
  }
  if (!found.names.empty()) found.failure.reset();
  std::sort(found.names.begin(), found.names.end());
  return found;
}

}  // namespace

Connected connect_container(const std::string& command, const std::string& name) {
  Connected connected;
  Place place;
  bool inside = inside_container(&place);
  bool own = name.empty() || name == kOwn || (inside && name == place.container);
  if (own && !inside) {
    connected.failure = {command, name, EINVAL, "give the name of a container; see 'warren ps'"};
    return connected;
  }
  if (!own && !control::valid_container_name(name)) {
    connected.failure = {command, name, EINVAL, "not a container's name; see 'warren ps'"};
    return connected;
  }
  std::string path = own ? own_socket(place) : find_socket(name);
  if (path.empty()) {
    connected.failure = {command, name, ENOENT, "no such container is running; see 'warren ps'"};
    return connected;
  }
  auto client = control::Client::connect(path);
  if (!client) {
    connected.failure = {command, path, client.error_code(),
                         "its supervisor may just be ending; see 'warren ps'"};
    return connected;
  }
  connected.client = std::move(*client);
  return connected;
}

std::optional<Failure> fetch_containers(const std::string& command, const std::string& name,
                                        std::vector<control::ContainerInfo>& containers) {
  Names asked{{name}, std::nullopt};
  if (name.empty()) asked = running_containers(command);
  if (asked.failure) return asked.failure;
  for (const std::string& each : asked.names) {
    Connected connected = connect_container(command, each);
    control::Refusal refusal;
    auto info = connected.client ? connected.client->info(&refusal) : Errno{ENOENT};
    // A container that ends while all are being listed is not among them any more.
    if (!info && name.empty()) continue;
    if (!connected.client) return connected.failure;
    if (!info) return refused(command, each, refusal);
    containers.push_back(std::move(*info));
  }
  return std::nullopt;
}

Failure refused(const std::string& command, const std::string& target,
                const control::Refusal& refusal) {
  Failure failure{command, target, refusal.error, ""};
  if (refusal.what.empty()) {
    failure.advice = "the connection to its supervisor broke; see 'warren ps'";
  } else if (refusal.what == "namespace") {
    failure.advice = refusal.error == ENOTUNIQ ? "several namespaces are meant; use an inode number"
                                               : "no such namespace";
    failure.advice += "; see 'warren ns'";
  } else if (refusal.what == "peer") {
    failure.advice = "its supervisor does not serve guests of other containers or traced processes";
  } else if (refusal.what == "task") {
    failure.advice = "see 'warren ps' for the numbers";
  }
  return failure;
}

}  // namespace warren::cli
