#include "cli/top/live.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <memory>
#include <optional>

#include "base/unique_fd.h"
#include "cli/report.h"
#include "cli/top/act.h"
#include "cli/top/draw.h"
#include "cli/top/sample.h"
#include "cli/top/screen.h"
#include "cli/top/worker.h"

namespace warren::cli::top {
namespace {

constexpr std::array kEnds = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};

timespec to_timespec(double seconds) {
  double whole = std::floor(seconds);
  return {static_cast<time_t>(whole), static_cast<long>((seconds - whole) * 1e9)};
}

// Signals as descriptors; they are blocked as long as this lives.
class Signals {
 public:
  Signals() {
    sigemptyset(&mask_);
    for (int signal : kEnds) sigaddset(&mask_, signal);
    sigaddset(&mask_, SIGWINCH);
    sigaddset(&mask_, SIGTSTP);
    sigaddset(&mask_, SIGCONT);
    sigprocmask(SIG_BLOCK, &mask_, &old_);
    fd_ = UniqueFd(signalfd(-1, &mask_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~Signals() { sigprocmask(SIG_SETMASK, &old_, nullptr); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_.get(); }
  // 0: none is waiting.
  int next() const {
    signalfd_siginfo info;
    return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo)
                                                              : 0;
  }
  // As if it were not caught: ends or stops this process. Returns after it is continued.
  void obey(int number) const {
    signal(number, SIG_DFL);
    raise(number);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    sigprocmask(SIG_UNBLOCK, &one, nullptr);
    sigprocmask(SIG_BLOCK, &one, nullptr);
  }

 private:
  sigset_t mask_, old_;
  UniqueFd fd_;
};

class Live {
 public:
  Live(const std::string& name, const Settings& settings, long iterations, Sample first,
       std::unique_ptr<Screen> screen, const Signals& signals)
      : name_(name),
        iterations_(iterations),
        ui_(settings),
        before_(std::move(first)),
        screen_(std::move(screen)),
        signals_(signals),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    // Without rates yet, but at once.
    ui_.update(Measurement(Sample{}, before_));
    set_timer(std::min(settings.interval, kFirstInterval));
  }

  // The signal that ended it; 0: the user did, or the last measurement is shown.
  int run();

 private:
  void set_timer(double first) {
    itimerspec when{to_timespec(ui_.interval()), to_timespec(first)};
    timerfd_settime(timer_.get(), 0, &when, nullptr);
  }
  void measure();
  void measured(Sample sample, const std::optional<Failure>& failure);
  void grant(const Wish& wish);
  void take_keys();
  void stop();
  int take_signals();
  void expired();

  std::string name_;
  long iterations_;
  long shown_ = 0;
  Ui ui_;
  Sample before_;
  std::unique_ptr<Screen> screen_;
  const Signals& signals_;
  UniqueFd timer_;
  Worker worker_;
  bool measuring_ = false;
  bool wanted_ = false;  // once more, when the one in hand has ended
  int missed_ = 0;       // times that the clock found the last measurement unfinished
  bool done_ = false;
};

void Live::measure() {
  if (measuring_) {
    wanted_ = true;
    return;
  }
  measuring_ = true;
  worker_.ask([this, name = name_]() -> std::function<void()> {
    auto sample = std::make_shared<Sample>();
    auto failure = take_sample(name, *sample);
    return [this, sample, failure] { measured(std::move(*sample), failure); };
  });
}

void Live::measured(Sample sample, const std::optional<Failure>& failure) {
  measuring_ = false;
  missed_ = 0;
  if (failure) {
    // The container has ended, for one; the last that was seen of it stays.
    ui_.tell(describe(*failure));
  } else {
    ui_.update(Measurement(before_, sample));
    before_ = std::move(sample);
  }
  if (iterations_ > 0 && ++shown_ >= iterations_) done_ = true;
  if (wanted_) {
    wanted_ = false;
    measure();
  }
}

void Live::grant(const Wish& wish) {
  switch (wish.kind) {
    case Wish::kNothing:
      break;
    case Wish::kQuit:
      done_ = true;
      break;
    case Wish::kMeasure:
      measure();
      break;
    case Wish::kInterval:
      set_timer(ui_.interval());
      break;
    case Wish::kRedraw:
      screen_->redraw();
      break;
    case Wish::kSignal:
    case Wish::kFreeze:
    case Wish::kThaw:
      ui_.tell("asking the container");
      worker_.ask([this, wish]() -> std::function<void()> {
        std::string said = wish.kind == Wish::kSignal
                               ? send_signal(wish.target, wish.signal)
                               : set_frozen(wish.target, wish.kind == Wish::kFreeze);
        return [this, said] {
          ui_.tell(said);
          measure();
        };
      });
      break;
  }
}

void Live::take_keys() {
  while (!done_) {
    auto key = screen_->next_key();
    if (!key) return;
    grant(ui_.press(*key));
  }
}

void Live::stop() {
  screen_->leave();
  signals_.obey(SIGTSTP);
  screen_->enter();
}

int Live::take_signals() {
  while (int signal = signals_.next()) {
    if (signal == SIGWINCH) {
      screen_->resized();
    } else if (signal == SIGTSTP) {
      stop();
    } else if (signal == SIGCONT) {
      // After a SIGSTOP, a shell has had the terminal in between.
      screen_->leave();
      screen_->enter();
    } else {
      return signal;
    }
  }
  return 0;
}

void Live::expired() {
  uint64_t count = 0;
  if (read(timer_.get(), &count, sizeof count) < 0) return;
  if (measuring_) {
    // What the user should know is that the numbers are old.
    if (++missed_ >= 2) ui_.tell("waiting for an answer of the container's supervisor");
    return;
  }
  measure();
}

int Live::run() {
  for (;;) {
    screen_->show(draw(ui_, screen_->size()));
    if (done_) return 0;
    std::array<pollfd, 4> fds = {{{STDIN_FILENO, POLLIN, 0},
                                  {signals_.fd(), POLLIN, 0},
                                  {timer_.get(), POLLIN, 0},
                                  {worker_.ready_fd(), POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return 0;
    if (int signal = fds[1].revents != 0 ? take_signals() : 0) return signal;
    if (fds[3].revents != 0) worker_.finish();
    if (fds[2].revents != 0) expired();
    if ((fds[0].revents & POLLIN) != 0) take_keys();
    // The terminal is gone.
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return SIGHUP;
  }
}

}  // namespace

int run_live(const std::string& name, const Settings& settings, long iterations) {
  Sample first;
  if (auto failure = take_sample(name, first)) return report(*failure);
  Signals signals;
  std::string why;
  std::unique_ptr<Screen> screen = Screen::open(why);
  if (screen == nullptr) {
    return report({"top", why, 0, "--batch prints lists instead"});
  }
  int ended_by =
      Live(name, settings, iterations, std::move(first), std::move(screen), signals).run();
  // Ctrl-C is how many quit.
  if (ended_by != 0 && ended_by != SIGINT) signals.obey(ended_by);
  return 0;
}

}  // namespace warren::cli::top
