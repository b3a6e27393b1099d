// What this machine allows warren to do, found out by doing it.
#pragma once

#include <string>
#include <vector>

#include "tracer/host_features.h"

namespace warren::cli {

enum class Health { kOk, kLimited, kMissing };

struct Finding {
  std::string name;  // stable, for --json
  Health health = Health::kMissing;
  bool required = false;  // without it warren cannot run
  std::string detail;     // what was found
  std::string cost;       // what its lack costs; empty if ok
  std::string advice;     // what to do; empty if ok
};

// Every check, in the order to be shown. Forks; must be called before there are threads.
std::vector<Finding> examine_host(HostFeatures& features);

// Whether nothing required is missing.
bool can_run(const std::vector<Finding>& findings);

std::string_view health_name(Health health);  // "ok", "limited", "missing"

}  // namespace warren::cli
