// From the name that a user gives to the container's supervisor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/report.h"
#include "control/client.h"

namespace warren::cli {

// A connection to the container `name`, or why there is none. Inside a container an empty name, and
// ".", mean that container.
struct Connected {
  std::optional<control::Client> client;
  Failure failure;
};
Connected connect_container(const std::string& command, const std::string& name);

// Asks the container `name`, or, for an empty name, all of the user's (inside a container that one
// alone), and appends the answers.
std::optional<Failure> fetch_containers(const std::string& command, const std::string& name,
                                        std::vector<control::ContainerInfo>& containers);

// What to tell the user when the supervisor refuses.
Failure refused(const std::string& command, const std::string& target,
                const control::Refusal& refusal);

}  // namespace warren::cli
