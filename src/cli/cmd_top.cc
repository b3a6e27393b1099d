// warren top: groups, namespaces and tasks, live.
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/command.h"
#include "cli/inside.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/top/batch.h"
#include "cli/top/live.h"
#include "cli/top/sample.h"

namespace warren::cli {
namespace {

constexpr char kTopExamples[] =
    "Keys: arrows, PgUp, PgDn choose; Tab or g, n, t: groups, namespaces, tasks; P, M, T, F, C, N "
    "and\n"
    "< > sort; V tree; / filter; k signal; f freeze or thaw a group; + - d interval; ? help; q "
    "quit.\n"
    "\n"
    "Examples:\n"
    "  warren top                      all your containers\n"
    "  warren top web --view tasks --sort memory\n"
    "  warren top web -b -n 3 -d 1     three lists, a second apart, as plain text\n"
    "  warren top --json | jq '.containers[].groups[] | [.path, .cpu]'";

class TopCommand : public Command {
 public:
  TopCommand()
      : Command("top", "Watch groups, namespaces and tasks, and act on them", kTopExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("NAME", name_, "Container (default: all; inside a container, that one)");
    app.add_option("--view", view_, "First list: groups, namespaces or tasks")->type_name("LIST");
    app.add_option("--sort", sort_, "Column to sort by, as cpu, memory, time, forks, tasks, name")
        ->type_name("COLUMN");
    app.add_flag("--tree", tree_, "Show a tree");
    app.add_flag("--flat", flat_, "Show no tree");
    app.add_option("--filter", filter_, "Show only rows that contain a text")->type_name("TEXT");
    app.add_option("-d,--delay", delay_, "Seconds between measurements (default: 2)")
        ->type_name("SECONDS");
    app.add_option("-n,--iterations", iterations_, "End after so many measurements")
        ->type_name("N");
    app.add_flag("-b,--batch", batch_, "Print lists, for pipes and files");
    app.add_flag("--once", once_, "Print one list; as --batch --iterations 1");
    app.add_flag("--json", json_, "Print JSON; once, unless --iterations says otherwise");
  }

  int run() override {
    if (auto failure = check()) return report(*failure);
    if (batch_ || once_ || json_) return run_batch();
    return top::run_live(name_, settings_, count_);
  }

 private:
  std::optional<Failure> check();
  int run_batch() const;

  std::string name_, view_, sort_, delay_, iterations_, filter_;
  bool tree_ = false, flat_ = false, batch_ = false, once_ = false, json_ = false;
  top::Settings settings_;
  long count_ = 0;
};

template <typename T>
bool parse_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end && !text.empty();
}

std::optional<Failure> TopCommand::check() {
  if (!view_.empty()) {
    settings_.view = top::view_named(view_);
    if (!settings_.view) {
      return Failure{"top: --view", view_, EINVAL, "give groups, namespaces or tasks"};
    }
  }
  if (!sort_.empty()) {
    // Without --view, any list's column will do for the lists that have it.
    for (top::View view : {top::View::kTasks, top::View::kGroups, top::View::kNamespaces}) {
      if (settings_.view && *settings_.view != view) continue;
      if (!settings_.sort) settings_.sort = top::field_named(view, sort_);
    }
    if (!settings_.sort) {
      top::View view = settings_.view.value_or(top::View::kTasks);
      return Failure{"top: --sort", sort_, EINVAL,
                     std::string(top::view_word(view)) + " have " + top::field_words(view)};
    }
  }
  if (tree_ && flat_) return Failure{"top: --tree", "", EINVAL, "--flat says the contrary"};
  if (tree_ || flat_) settings_.tree = tree_;
  if (!delay_.empty() &&
      (!parse_number(delay_, settings_.interval) || !std::isfinite(settings_.interval) ||
       settings_.interval < top::kLeastInterval || settings_.interval > top::kMostInterval)) {
    return Failure{"top: --delay", delay_, EINVAL, "give seconds, from 0.1 to 3600"};
  }
  if (!iterations_.empty() && (!parse_number(iterations_, count_) || count_ < 1)) {
    return Failure{"top: --iterations", iterations_, EINVAL, "give a number from 1 on"};
  }
  if (count_ == 0 && (once_ || json_)) count_ = 1;
  settings_.filter = filter_;
  settings_.all_containers = name_.empty() && !inside_container();
  return std::nullopt;
}

void wait_seconds(double seconds) {
  auto whole = static_cast<time_t>(seconds);
  timespec left{whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

int TopCommand::run_batch() const {
  top::Sample before;
  if (auto failure = top::take_sample(name_, before)) return report(*failure);
  top::Ui ui(settings_);
  for (long done = 0; count_ == 0 || done < count_; ++done) {
    wait_seconds(done == 0 ? std::min(settings_.interval, top::kFirstInterval)
                           : settings_.interval);
    top::Sample now;
    if (auto failure = top::take_sample(name_, now)) return report(*failure);
    top::Measurement measurement(before, now);
    std::string text;
    if (json_) {
      text = top::json_text(now, measurement);
    } else {
      ui.update(std::move(measurement));
      text = (done == 0 ? "" : "\n") + top::batch_text(ui, stdout_terminal());
    }
    if (int status = print(text); status != 0) return status;
    before = std::move(now);
  }
  return 0;
}

}  // namespace

std::unique_ptr<Command> make_top_command() { return std::make_unique<TopCommand>(); }

}  // namespace warren::cli
