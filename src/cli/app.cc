#include "cli/app.h"

#include <algorithm>
#include <clocale>
#include <cstring>

#include "cli/levels.h"
#include "cli/output.h"
#include "cli/report.h"

namespace warren::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  warren run -- bash              a shell that is process 1 of a namespace of its own\n"
    "  warren run --name web -d -- sh -c 'exec ./server >log 2>&1'\n"
    "  warren ps web --tree            what runs in it\n"
    "  warren exec web -t -- bash      one more shell in it\n"
    "  warren kill web                 end it\n"
    "  warren doctor                   what this machine allows\n"
    "\n"
    "'warren COMMAND --help' tells more; so does man warren.";

// The command that the first arguments name: "group create" is one of group's own.
struct Named {
  const CLI::App* app;
  std::string name;  // empty: none
  size_t words = 0;
};

Named named_command(const CLI::App& top, const std::vector<std::string>& arguments) {
  Named named{&top, ""};
  for (const std::string& argument : arguments) {
    const auto below = named.app->get_subcommands(
        [&](const CLI::App* sub) { return sub->get_name() == argument; });
    if (below.empty()) break;
    named.app = below.front();
    named.name += (named.name.empty() ? "" : " ") + argument;
    ++named.words;
  }
  return named;
}

// A value of its own follows this argument ("--name X", not "--name=X").
bool takes_next(const CLI::App& app, const std::string& argument) {
  const CLI::Option* option = app.get_option_no_throw(argument);
  return option != nullptr && option->get_items_expected_max() > 0;
}

int parse_error(const CLI::ParseError& error, const CLI::App& app, const std::string& command) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) text = "one argument too many";
  // An unknown option is the likelier reason for whatever else is amiss.
  for (const std::string& argument : app.remaining()) {
    if (argument == "--") continue;
    text = argument.front() == '-' ? argument + ": there is no such option"
                                   : argument + ": one argument too many";
    break;
  }
  text = text.substr(0, text.find('\n'));
  while (!text.empty() && text.back() == '.') text.pop_back();
  std::string help = command.empty() ? "warren --help" : "warren " + command + " --help";
  return report({command.empty() ? "command line" : command, text, 0, "see '" + help + "'"});
}

struct App {
  CLI::App cli{"Hierarchical PID namespaces for unmodified programs, without privilege.", "warren"};
  std::vector<std::unique_ptr<Command>> commands;

  explicit App(RunContainer run_container) {
    commands.push_back(make_run_command(std::move(run_container)));
    commands.push_back(make_ps_command());
    commands.push_back(make_ns_command());
    commands.push_back(make_top_command());
    commands.push_back(make_exec_command());
    commands.push_back(make_kill_command());
    commands.push_back(make_group_command());
    commands.push_back(make_freeze_command());
    commands.push_back(make_thaw_command());
    commands.push_back(make_move_command());
    commands.push_back(make_mount_command());
    commands.push_back(make_umount_command());
    commands.push_back(make_doctor_command());
    cli.set_version_flag("--version", "warren " WARREN_VERSION, "Print the version and exit");
    cli.get_formatter()->column_width(28);
    cli.get_formatter()->label("REQUIRED", "");
    cli.get_formatter()->label("TEXT", "");
    cli.footer(kExamples);
    cli.require_subcommand(1);
    cli.get_option("--help")->description("Print this help and exit");
    for (const auto& command : commands) {
      CLI::App* sub = cli.add_subcommand(command->name, command->summary);
      sub->footer(command->examples);
      command->declare(*sub);
    }
  }

  Command* named(const std::string& name) {
    for (const auto& command : commands) {
      if (name == command->name) return command.get();
    }
    return nullptr;
  }
};

}  // namespace

std::vector<std::string> mark_guest_command(const CLI::App& app, std::vector<std::string> arguments,
                                            int before) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") return arguments;
    if (argument.size() > 1 && argument.front() == '-') {
      if (takes_next(app, argument)) ++i;
      continue;
    }
    if (before-- > 0) continue;
    arguments.insert(arguments.begin() + static_cast<ptrdiff_t>(i), "--");
    return arguments;
  }
  return arguments;
}

int run_app(int argc, char** argv, RunContainer run_container) {
  hold_standard_fds();
  setlocale(LC_CTYPE, "");
  if (argc > 1 && strcmp(argv[1], kInitCommand) == 0) run_init_command(argc, argv);

  App app(std::move(run_container));
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const Named named = named_command(app.cli, arguments);
  if (named.words < arguments.size() && !arguments[named.words].starts_with('-') &&
      !named.app->get_subcommands([](const CLI::App*) { return true; }).empty()) {
    const std::string help = named.name.empty() ? "warren" : "warren " + named.name;
    return report({named.name.empty() ? "command line" : named.name, arguments[named.words], 0,
                   "there is no such command; see '" + help + " --help'"});
  }
  Command* command = arguments.empty() ? nullptr : app.named(arguments[0]);
  if (command != nullptr && command->before_guest_command >= 0) {
    std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    rest = mark_guest_command(*named.app, std::move(rest), command->before_guest_command);
    arguments.assign(1, command->name);
    arguments.insert(arguments.end(), rest.begin(), rest.end());
  }
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.cli.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    const size_t above = named.name.rfind(' ');
    std::string before = named.name.empty() ? "" : "warren";
    if (above != std::string::npos) before += " " + named.name.substr(0, above);
    return print(named.app->help(before));
  } catch (const CLI::CallForVersion& version) {
    return print(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& error) {
    return parse_error(error, *named.app, named.name);
  }
  return app.named(app.cli.get_subcommands().front()->get_name())->run();
}

}  // namespace warren::cli
