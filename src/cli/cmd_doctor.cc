// warren doctor: what this machine allows.
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/without.h"

namespace warren::cli {
namespace {

constexpr char kDoctorExamples[] =
    "Every line is found out by doing it: a child is traced, a filter installed, a call answered. "
    "Exit\n"
    "status: 0 if warren can run here, 1 if something that it must have is missing. What "
    "WARREN_WITHOUT\n"
    "names ('warren run --help' tells the names) counts as missing.\n"
    "\n"
    "Examples:\n"
    "  warren doctor\n"
    "  warren doctor --json | jq '.checks[] | select(.health != \"ok\")'";

Style health_style(Health health) {
  switch (health) {
    case Health::kOk:
      return Style::kGreen;
    case Health::kLimited:
      return Style::kYellow;
    case Health::kMissing:
      return Style::kRed;
  }
  return Style::kPlain;
}

int print_json(const std::vector<Finding>& findings) {
  nlohmann::json checks = nlohmann::json::array();
  for (const Finding& finding : findings) {
    checks.push_back({{"name", finding.name},
                      {"health", health_name(finding.health)},
                      {"required", finding.required},
                      {"detail", finding.detail},
                      {"cost", finding.cost},
                      {"advice", finding.advice}});
  }
  nlohmann::json out = {{"can_run", can_run(findings)}, {"checks", checks}};
  return print(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int print_people(const std::vector<Finding>& findings) {
  Terminal terminal = stdout_terminal();
  std::string out;
  for (const Finding& finding : findings) {
    std::string health(health_name(finding.health));
    std::string name = finding.name;
    health.resize(9, ' ');
    name.resize(std::max<size_t>(name.size(), 22), ' ');
    out += styled(health, health_style(finding.health), terminal.colour) + name +
           printable(finding.detail) + "\n";
    std::string margin(9, ' ');
    if (!finding.cost.empty()) out += margin + "cost:   " + printable(finding.cost) + "\n";
    if (!finding.advice.empty()) out += margin + "to do:  " + printable(finding.advice) + "\n";
  }
  bool good = can_run(findings);
  out += styled(good ? "warren can run here.\n" : "warren cannot run here.\n",
                good ? Style::kBold : Style::kRed, terminal.colour);
  return print(out);
}

class DoctorCommand : public Command {
 public:
  DoctorCommand() : Command("doctor", "Show what this machine allows", kDoctorExamples) {}

  void declare(CLI::App& app) override { app.add_flag("--json", json_, "Print JSON"); }

  int run() override {
    HostFeatures features;
    if (auto failure = do_without_by_variable(features, "doctor")) return report(*failure);
    std::vector<Finding> findings = examine_host(features);
    int printed = json_ ? print_json(findings) : print_people(findings);
    if (printed != 0) return printed;
    return can_run(findings) ? 0 : 1;
  }

 private:
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_doctor_command() { return std::make_unique<DoctorCommand>(); }

}  // namespace warren::cli
