// Long random sequences of everything that Groups can do, with callbacks that fail at random
// places, against a model that is as plain as possible: every observable is compared after every
// step.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <list>
#include <map>
#include <random>
#include <set>

#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

struct ModelState {
  SubsystemState* real = nullptr;  // learnt when first seen
};
using States = std::array<ModelState*, kNrCounting>;

struct ModelHierarchy;
struct ModelGroup {
  std::string name;
  ModelGroup* parent = nullptr;
  ModelHierarchy* hierarchy = nullptr;
  bool alive = true;
  bool self_made = false;
  std::map<std::string, ModelGroup*> children;
  States states{};
  GroupRef real;
};

struct ModelHierarchy {
  int id = 0;
  std::string name;
  unsigned mask = 0;
  ModelGroup* root = nullptr;
  int mounts = 0;
};

using Places = std::map<ModelHierarchy*, ModelGroup*>;

struct ModelTask {
  Ref<Task> real;
  int process = 0;
  Places places;
  States states{};
  bool exited = false;
};

struct ModelFork {
  ForkMembership membership;
  std::optional<ForkReservation> reservation;
  int process = 0;
  bool thread = false;
  Places places;
  States states{};
  std::vector<ModelGroup*> moved_to;
};

constexpr bool asks(int s) { return s != 2; }  // see kCounting

class GroupsModelTest : public GroupsTest {
 public:
  GroupsModelTest() {
    default_hierarchy = &hierarchies.emplace_back();
    default_hierarchy->mask = (1u << kNrCounting) - 1;
    default_hierarchy->root = new_group(default_hierarchy, nullptr, "/");
    default_hierarchy->root->real = top;
    for (ModelState*& state : default_hierarchy->root->states) state = &states.emplace_back();
    ModelTask& task = tasks.emplace_back();
    task.real = init;
    task.places[default_hierarchy] = default_hierarchy->root;
    task.states = default_hierarchy->root->states;
  }
  ~GroupsModelTest() override {
    forks.clear();
    all_groups.clear();
  }

  std::size_t random(std::size_t below) { return generator() % below; }
  ModelGroup* new_group(ModelHierarchy* h, ModelGroup* parent, const std::string& name) {
    ModelGroup& group = all_groups.emplace_back();
    group.name = name;
    group.parent = parent;
    group.hierarchy = h;
    return &group;
  }
  ModelHierarchy& any_hierarchy() {
    auto it = hierarchies.begin();
    std::advance(it, static_cast<long>(random(hierarchies.size())));
    return *it;
  }
  static void walk(ModelGroup* group, std::vector<ModelGroup*>& out) {
    out.push_back(group);
    for (auto& [name, child] : group->children) walk(child, out);
  }
  static std::vector<ModelGroup*> walk(const ModelHierarchy& h) {
    std::vector<ModelGroup*> all;
    walk(h.root, all);
    return all;
  }
  std::size_t all_in_trees() {
    std::size_t count = 0;
    for (const ModelHierarchy& h : hierarchies) count += walk(h).size();
    return count;
  }
  ModelGroup* any_group() {
    if (random(20) == 0 && last_removed != nullptr) return last_removed;
    const std::vector<ModelGroup*> all = walk(any_hierarchy());
    return all[random(all.size()) / (tidy ? 1 + random(all.size()) : 1)];
  }
  ModelTask& any_task() {
    auto it = tasks.begin();
    std::advance(it, static_cast<long>(random(tasks.size())));
    return *it;
  }
  bool process_forks(int process) const {
    return std::any_of(forks.begin(), forks.end(),
                       [&](const ModelFork& f) { return f.process == process; });
  }

  // --- Steps; each does the same to both and compares the errno ---

  void make_group();
  ModelGroup* add_group(ModelGroup* parent, const std::string& name);
  void remove_group();
  void rename_group();
  void mount_or_unmount();
  void begin();
  void publish();
  void move_tasks();
  void move_process();
  void end_task();
  void unshare();
  void enter(ModelTask& task, ModelGroup* to);
  // Neither tasks that live nor forks on their way are in it.
  bool empty(ModelGroup* group);
  void take_out(ModelGroup* group);
  // Groups that unshare() made go with their last task.
  void drop_self_made();
  // Hierarchies that nothing needs any more end.
  void settle();
  bool in_use(const ModelHierarchy& h) const;

  void expect(int got, int wanted, const char* what) {
    // A move may leave a group empty, with which its hierarchy ends: what fails then is no failure
    // of the move.
    const bool at_end = got == 0 && groups->hierarchies().size() < hierarchies.size();
    ASSERT_EQ(got, fired() && wanted == 0 && !at_end ? Failure::kError : wanted) << what;
  }
  static bool fired() { return failure.fired >= 0; }

  void check();
  void check_group(ModelGroup& group);

  std::mt19937_64 generator;
  std::list<ModelState> states;
  std::list<ModelGroup> all_groups;
  std::list<ModelHierarchy> hierarchies;
  std::list<ModelTask> tasks;  // not released
  std::list<ModelFork> forks;
  ModelHierarchy* default_hierarchy = nullptr;
  ModelGroup* last_removed = nullptr;
  int next_id = 1;
  int next_process = 1;
  // Groups become fewer, so that hierarchies come and go.
  bool tidy = false;
};

ModelGroup* GroupsModelTest::add_group(ModelGroup* parent, const std::string& name) {
  ModelGroup* group = new_group(parent->hierarchy, parent, name);
  for (int s = 0; s < kNrCounting; ++s) {
    const auto at = static_cast<std::size_t>(s);
    if ((parent->hierarchy->mask >> s & 1) != 0 && parent->states[at] != nullptr) {
      group->states[at] = &states.emplace_back();
    }
  }
  parent->children[name] = group;
  return group;
}

void GroupsModelTest::make_group() {
  ModelGroup* parent = any_group();
  if (walk(*parent->hierarchy).size() > (tidy ? 3 : 10)) return;
  if (tidy && parent->hierarchy == default_hierarchy) return;
  const std::string name = "g" + std::to_string(random(5));
  Result<GroupRef> made = groups->make(*parent->real, name, {});
  const int wanted = !parent->alive ? ENOENT : parent->children.count(name) != 0 ? EEXIST : 0;
  ASSERT_NO_FATAL_FAILURE(expect(made.error_code(), wanted, "make"));
  if (made) add_group(parent, name)->real = *made;
}

bool GroupsModelTest::empty(ModelGroup* group) {
  return std::none_of(tasks.begin(), tasks.end(),
                      [&](ModelTask& t) {
                        const auto at = t.places.find(group->hierarchy);
                        return !t.exited && at != t.places.end() && at->second == group;
                      }) &&
         std::none_of(forks.begin(), forks.end(), [&](ModelFork& f) {
           const auto at = f.places.find(group->hierarchy);
           return at != f.places.end() && at->second == group;
         });
}

void GroupsModelTest::take_out(ModelGroup* group) {
  group->alive = false;
  group->parent->children.erase(group->name);
  last_removed = group;
}

void GroupsModelTest::drop_self_made() {
  for (ModelHierarchy& h : hierarchies) {
    std::vector<ModelGroup*> all = walk(h);
    for (auto group = all.rbegin(); group != all.rend(); ++group) {
      if ((*group)->self_made && (*group)->children.empty() && empty(*group)) take_out(*group);
    }
  }
}

void GroupsModelTest::remove_group() {
  ModelGroup* group = any_group();
  if (tidy) group = walk(*group->hierarchy).back();
  const int wanted = !group->alive ? ENOENT
                     : group->parent == nullptr || !group->children.empty() || !empty(group) ? EBUSY
                                                                                             : 0;
  ASSERT_EQ(groups->remove(*group->real).error_code(), wanted);
  if (wanted == 0) take_out(group);
}

void GroupsModelTest::rename_group() {
  ModelGroup* group = any_group();
  const std::string name = "g" + std::to_string(random(5));
  const int wanted = group->parent == nullptr                   ? EBUSY
                     : !group->alive                            ? ENOENT
                     : group->parent->children.count(name) != 0 ? EEXIST
                                                                : 0;
  ASSERT_EQ(groups->rename(*group->real, name).error_code(), wanted);
  if (wanted != 0) return;
  group->parent->children.erase(group->name);
  group->parent->children[name] = group;
  group->name = name;
}

void GroupsModelTest::mount_or_unmount() {
  ModelHierarchy& mounted = any_hierarchy();
  if (random(2) == 0) {
    groups->unmount(mounted.root->real->hierarchy());
    if (mounted.mounts > 0) --mounted.mounts;
    return;
  }
  MountOptions options;
  unsigned wanted_mask = 0;
  for (int s = 0; s < kNrCounting; ++s) {
    if (random(3) != 0) continue;
    wanted_mask |= 1u << s;
    options.subsystems.emplace_back(kCounting[s]->name);
  }
  if (random(3) == 0) options.name = random(2) == 0 ? "x" : "y";
  options.none = wanted_mask == 0 && !options.name.empty() && random(2) == 0;
  Result<GroupRef> root_group = groups->mount(options);
  const bool chosen = wanted_mask != 0 || options.none;
  if (!chosen && options.name.empty()) {
    ASSERT_TRUE(root_group);
    ++default_hierarchy->mounts;
    return;
  }
  for (ModelHierarchy& h : hierarchies) {
    if (&h == default_hierarchy) continue;
    if (!options.name.empty() && h.name != options.name) continue;
    if (chosen && h.mask != wanted_mask) {
      if (options.name.empty()) continue;
      ASSERT_EQ(root_group.error_code(), EBUSY);
      return;
    }
    ASSERT_TRUE(root_group);
    ASSERT_EQ(root_group->get(), h.root->real.get());
    ++h.mounts;
    return;
  }
  const bool taken = (wanted_mask & ~default_hierarchy->mask) != 0 ||
                     (wanted_mask != 0 && !default_hierarchy->root->children.empty());
  ASSERT_EQ(root_group.error_code(), !chosen ? EINVAL : taken ? EBUSY : 0);
  if (!root_group) return;
  ModelHierarchy& h = hierarchies.emplace_back();
  h.id = next_id++;
  h.name = options.name;
  h.mask = wanted_mask;
  h.mounts = 1;
  h.root = new_group(&h, nullptr, "/");
  h.root->real = *root_group;
  default_hierarchy->mask &= ~wanted_mask;
  for (std::size_t s = 0; s < kNrCounting; ++s) {
    if ((wanted_mask >> s & 1) == 0) continue;
    h.root->states[s] = default_hierarchy->root->states[s];
    default_hierarchy->root->states[s] = nullptr;
  }
  for (ModelTask& task : tasks) task.places[&h] = h.root;
  for (ModelFork& fork : forks) fork.places[&h] = h.root;
}

void GroupsModelTest::begin() {
  if (forks.size() > 3 || tasks.size() > 30) return;
  ModelTask& parent = any_task();
  Result<ForkMembership> membership = groups->begin_fork(*parent.real);
  ASSERT_NO_FATAL_FAILURE(expect(membership.error_code(), parent.exited ? ESRCH : 0, "fork"));
  if (!membership) return;
  ModelFork& fork = forks.emplace_back();
  fork.membership = std::move(*membership);
  fork.process = parent.process;
  fork.thread = random(2) == 0;
  fork.reservation = std::move(*kernel->reserve_fork(*parent.real, {.thread = fork.thread}));
  fork.places = parent.places;
  fork.states = parent.states;
}

void GroupsModelTest::publish() {
  if (forks.empty()) return;
  auto fork = forks.begin();
  std::advance(fork, static_cast<long>(random(forks.size())));
  if (random(4) == 0) {  // it failed
    forks.erase(fork);
    return;
  }
  int countdown = failure.countdown;
  ModelTask& task = tasks.emplace_back();
  task.real = kernel->publish_fork(std::move(*fork->reservation));
  task.process = fork->thread ? fork->process : next_process++;
  task.places = fork->places;
  task.states = fork->states;
  groups->publish_fork(std::move(fork->membership), *task.real);
  for (ModelGroup* to : fork->moved_to) {
    if (!fork->thread || !to->alive || task.places[to->hierarchy] == to) continue;
    bool refused = false;
    for (int s = 0; s < kNrCounting && !refused; ++s) {
      const auto at = static_cast<std::size_t>(s);
      if ((to->hierarchy->mask >> s & 1) == 0 || !asks(s)) continue;
      const ModelState* state =
          to->states[at] != nullptr ? to->states[at] : to->hierarchy->root->states[at];
      if (state != task.states[at]) refused = countdown != 0 && --countdown == 0;
    }
    if (!refused) enter(task, to);
  }
  forks.erase(fork);
}

void GroupsModelTest::enter(ModelTask& task, ModelGroup* to) {
  task.places[to->hierarchy] = to;
  for (std::size_t s = 0; s < kNrCounting; ++s) {
    if ((to->hierarchy->mask >> s & 1) == 0) continue;
    task.states[s] = to->states[s] != nullptr ? to->states[s] : to->hierarchy->root->states[s];
  }
}

void GroupsModelTest::move_tasks() {
  ModelGroup* to = any_group();
  std::vector<ModelTask*> chosen;
  std::vector<Ref<Task>> real;
  int wanted = 0;
  for (std::size_t i = 1 + random(4); i-- > 0;) {
    ModelTask& task = any_task();
    if (task.exited && random(4) != 0) continue;
    if (task.exited) wanted = ESRCH;
    chosen.push_back(&task);
    real.push_back(task.real);
  }
  if (!to->alive) wanted = ENODEV;
  const int error = groups->move(*to->real, real).error_code();
  ASSERT_NO_FATAL_FAILURE(expect(error, wanted, "move"));
  for (ModelTask* task : chosen) {
    if (error == 0) enter(*task, to);
  }
}

void GroupsModelTest::move_process() {
  ModelTask& of = any_task();
  ModelGroup* to = any_group();
  const bool reshare = random(3) == 0;
  int error = 0;
  int wanted = 0;
  if (reshare) {
    const std::size_t s = random(kNrCounting);
    ModelTask& other = any_task();
    error = groups->reshare(of.real->group(), *other.real, *kCounting[s]).error_code();
    if (other.exited) {
      ASSERT_EQ(error, ESRCH);
      return;
    }
    for (ModelHierarchy& h : hierarchies) {
      if ((h.mask >> s & 1) != 0) to = other.places[&h];
    }
  } else {
    error = groups->move(*to->real, of.real->group()).error_code();
  }
  std::vector<ModelTask*> threads;
  for (ModelTask& task : tasks) {
    if (task.process == of.process && !task.exited) threads.push_back(&task);
  }
  if (threads.empty()) wanted = ESRCH;
  if (!to->alive) wanted = ENODEV;
  ASSERT_NO_FATAL_FAILURE(expect(error, wanted, "move process"));
  if (error != 0) return;
  for (ModelTask* task : threads) enter(*task, to);
  for (ModelFork& fork : forks) {
    if (fork.process == of.process) fork.moved_to.push_back(to);
  }
}

void GroupsModelTest::end_task() {
  ModelTask& task = any_task();
  if (task.real == init || process_forks(task.process)) return;
  if (!task.exited) {
    groups->exit(*task.real);
    kernel->exit_task(*task.real, 0);
    task.exited = true;
    return;
  }
  kernel->reap(task.real->group());
  groups->release(*task.real);
  const Ref<Task> released = task.real;
  tasks.remove_if([&](const ModelTask& t) { return t.real == released; });
}

void GroupsModelTest::unshare() {
  ModelTask& task = any_task();
  const std::uint64_t flags = random(1u << kNrCounting);
  if (tidy || all_in_trees() > 30) return;
  const int error = groups->unshare(*task.real, flags, "u").error_code();
  std::vector<ModelGroup*> parents;
  for (ModelHierarchy& h : hierarchies) {
    if ((h.mask & flags) != 0) parents.push_back(task.places[&h]);
  }
  ASSERT_NO_FATAL_FAILURE(expect(error, task.exited ? ESRCH : 0, "unshare"));
  if (error != 0) return;
  for (ModelGroup* parent : parents) {
    std::string name = "u";
    for (int n = 2; parent->children.count(name) != 0; ++n) name = "u_" + std::to_string(n);
    ModelGroup* made = add_group(parent, name);
    made->self_made = true;
    made->real = groups->find(*parent->real, name);
    ASSERT_TRUE(made->real);
    enter(task, made);
  }
}

bool GroupsModelTest::in_use(const ModelHierarchy& h) const {
  if (h.mounts > 0 || !h.root->children.empty()) return true;
  return std::any_of(tasks.begin(), tasks.end(), [&](const ModelTask& task) {
    return task.places.at(const_cast<ModelHierarchy*>(&h)) != h.root;
  });
}

void GroupsModelTest::settle() {
  if (!forks.empty()) return;
  for (auto h = std::next(hierarchies.begin()); h != hierarchies.end();) {
    if (in_use(*h)) {
      ++h;
      continue;
    }
    ModelGroup* base = default_hierarchy->root;
    std::vector<ModelGroup*> below = walk(*default_hierarchy);
    for (int s = 0; s < kNrCounting; ++s) {
      const auto at = static_cast<std::size_t>(s);
      if ((h->mask >> s & 1) == 0) continue;
      default_hierarchy->mask |= 1u << s;
      base->states[at] = h->root->states[at];
      if (failure.fired == s) continue;
      for (ModelGroup* group : below) {
        if (group != base) group->states[at] = &states.emplace_back();
      }
      for (ModelTask& task : tasks) {
        ModelGroup* group = task.places[default_hierarchy];
        if (group->alive && group != base) task.states[at] = group->states[at];
      }
    }
    h->root->alive = false;
    for (ModelTask& task : tasks) task.places.erase(&*h);
    if (last_removed != nullptr && last_removed->hierarchy == &*h) last_removed = nullptr;
    h = hierarchies.erase(h);
  }
}

void GroupsModelTest::check_group(ModelGroup& group) {
  std::vector<Nr> wanted, got;
  for (const ModelTask& task : tasks) {
    if (!task.exited && task.places.at(group.hierarchy) == &group) {
      wanted.push_back(task.real->level0());
    }
  }
  for (const Ref<Task>& task : groups->tasks(*group.real)) got.push_back(task->level0());
  std::sort(wanted.begin(), wanted.end());
  std::sort(got.begin(), got.end());
  ASSERT_EQ(got, wanted);
  for (std::size_t s = 0; s < kNrCounting; ++s) {
    SubsystemState* real = group.real->state(*kCounting[s]);
    ModelState* state = group.states[s];
    ASSERT_EQ(real == nullptr, state == nullptr) << "subsystem " << s;
    if (state == nullptr) continue;
    if (state->real == nullptr) state->real = real;
    ASSERT_EQ(state->real, real);
    ASSERT_EQ(&real->group(), group.real.get());
    int charged = 0;
    int members = 0;
    for (const ModelTask& task : tasks) {
      if (task.states[s] != state) continue;
      ++charged;
      if (!task.exited) ++members;
    }
    for (const ModelFork& fork : forks) {
      if (asks(static_cast<int>(s)) && fork.states[s] == state) ++charged;
    }
    ASSERT_EQ(counting(*real).charged, charged) << group.real->path() << " subsystem " << s;
    ASSERT_EQ(counting(*real).members, members) << group.real->path() << " subsystem " << s;
  }
}

void GroupsModelTest::check() {
  const std::vector<GroupRef> roots = groups->hierarchies();
  ASSERT_EQ(roots.size(), hierarchies.size());
  std::size_t at = 0;
  for (ModelHierarchy& h : hierarchies) {
    ASSERT_EQ(roots[at]->hierarchy().id(), h.id);
    ASSERT_EQ(roots[at++].get(), h.root->real.get());
    ASSERT_EQ(h.root->real->hierarchy().name(), h.name);
    const std::vector<GroupRef> real = groups->subtree(*h.root->real);
    const std::vector<ModelGroup*> model = walk(h);
    ASSERT_EQ(real.size(), model.size());
    for (std::size_t i = 0; i < real.size(); ++i) {
      ASSERT_EQ(real[i].get(), model[i]->real.get());
      ASSERT_EQ(real[i]->name(), model[i]->name);
      ASSERT_NO_FATAL_FAILURE(check_group(*model[i]));
    }
  }
  std::set<std::vector<ModelGroup*>> memberships;
  const auto tuple = [](const Places& places) {
    std::vector<ModelGroup*> all;
    for (const auto& [h, group] : places) all.push_back(group);
    return all;
  };
  for (const ModelFork& fork : forks) memberships.insert(tuple(fork.places));
  for (const ModelTask& task : tasks) {
    memberships.insert(tuple(task.places));
    ReadSection section;
    const TaskProxy* proxy = groups->proxy(*task.real, section);
    ASSERT_NE(proxy, nullptr);
    for (std::size_t s = 0; s < kNrCounting; ++s) {
      ASSERT_EQ(proxy->state(*kCounting[s]), task.states[s]->real) << "subsystem " << s;
    }
    for (const auto& [h, group] : task.places) {
      ASSERT_EQ(proxy->group(h->root->real->hierarchy()), group->real.get());
    }
  }
  ASSERT_EQ(static_cast<std::size_t>(groups->nr_proxies()), memberships.size());
}

TEST_F(GroupsModelTest, LongRandomSequences) {
  const char* chosen = std::getenv("WARREN_TEST_SEED");
  const std::uint64_t seed =
      chosen != nullptr ? std::strtoull(chosen, nullptr, 0) : std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed) + ": WARREN_TEST_SEED=" + std::to_string(seed));
  generator.seed(seed);
  using Step = void (GroupsModelTest::*)();
  constexpr Step kSteps[] = {&GroupsModelTest::make_group,   &GroupsModelTest::make_group,
                             &GroupsModelTest::remove_group, &GroupsModelTest::remove_group,
                             &GroupsModelTest::rename_group, &GroupsModelTest::mount_or_unmount,
                             &GroupsModelTest::begin,        &GroupsModelTest::begin,
                             &GroupsModelTest::publish,      &GroupsModelTest::publish,
                             &GroupsModelTest::publish,      &GroupsModelTest::move_tasks,
                             &GroupsModelTest::move_tasks,   &GroupsModelTest::move_process,
                             &GroupsModelTest::end_task,     &GroupsModelTest::end_task,
                             &GroupsModelTest::unshare};
  constexpr std::size_t kMount = 5;
  for (int step = 0; step < 15000; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    failure.arm(random(2) == 0 ? 0 : 1 + static_cast<int>(random(8)));
    if (random(150) == 0) tidy = !tidy;
    (this->*kSteps[tidy && random(4) == 0 ? kMount : random(std::size(kSteps))])();
    if (HasFatalFailure()) return;
    failure.countdown = 0;
    drop_self_made();
    settle();
    check();
    if (HasFatalFailure()) return;
    call_log.clear();
  }
}

}  // namespace
}  // namespace warren::testing
