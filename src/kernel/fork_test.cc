#include <cerrno>
#include <csignal>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

using ForkTest = EngineTest;
using PinnedForkTest = PinnedTest;

TEST_F(ForkTest, ChildIsSeenOnlyOncePublished) {
  Result<ForkReservation> reservation = kernel->reserve_fork(*init);
  ASSERT_TRUE(reservation);
  EXPECT_EQ(reservation->vnr(), 2);
  EXPECT_EQ(reservation->nr_in(root), 2);
  EXPECT_EQ(&reservation->ns(), &root);
  EXPECT_EQ(kernel->find_pid(root, 2), nullptr);
  EXPECT_EQ(kernel->find_task(root, 2), nullptr);
  EXPECT_TRUE(init->group().children().empty());
  Ref<Task> child = kernel->publish_fork(std::move(*reservation));
  EXPECT_FALSE(*reservation);
  EXPECT_EQ(kernel->find_task(root, 2), child);
  EXPECT_EQ(child->group().parent(), &init->group());
  EXPECT_EQ(child->group().parent_nr_in(root), 1);
  EXPECT_EQ(child->group().pgid(), init->group().pgid());
  EXPECT_EQ(child->group().sid(), init->group().sid());
  EXPECT_EQ(child->exit_signal(), SIGCHLD);
}

TEST_F(ForkTest, CancelGivesTheNumberBack) {
  {
    Result<ForkReservation> reservation = kernel->reserve_fork(*init);
    EXPECT_EQ(root.nr_pids(), 2);
  }
  EXPECT_EQ(root.nr_pids(), 1);
  const std::vector<Nr> two = {2};
  EXPECT_EQ(fork(init, {.set_tid = two})->vnr(), 2);
}

TEST_F(ForkTest, NumbersOfWhoHasBeenAreNotTheNextToBeGiven) {
  kernel->reserve_fork(*init)->cancel();
  EXPECT_EQ(fork(init)->vnr(), 2);
  Result<ForkReservation> reservation = kernel->reserve_fork(*init);
  reservation->abandon();
  EXPECT_FALSE(*reservation);
  EXPECT_EQ(root.nr_pids(), 2);
  EXPECT_EQ(fork(init)->vnr(), 4);
}

TEST_F(ForkTest, MovedReservation) {
  Result<ForkReservation> first = kernel->reserve_fork(*init);
  Result<ForkReservation> second = kernel->reserve_fork(*init);
  *first = std::move(*second);
  EXPECT_EQ(root.nr_pids(), 2);
  EXPECT_EQ(kernel->publish_fork(std::move(*first))->vnr(), 3);
}

TEST_F(ForkTest, NewNamespaceAndItsFirstTaskCancelled) {
  Ref<PidNamespace> ns;
  {
    Result<ForkReservation> reservation = kernel->reserve_fork(*init, {.new_pid_ns = true});
    ASSERT_TRUE(reservation);
    EXPECT_EQ(reservation->vnr(), 1);
    EXPECT_EQ(reservation->nr_in(root), 2);
    ns = Ref<PidNamespace>(reservation->ns());
  }
  EXPECT_FALSE(ns->has_init());
  EXPECT_EQ(ns->nr_pids(), 0);
  EXPECT_TRUE(kernel->setns_pid(*init, *ns));
  EXPECT_EQ(fork(init)->vnr(), 1);  // as if nothing had been
}

TEST_F(ForkTest, SecondTaskWaitsForThePublishedInit) {
  ASSERT_TRUE(kernel->unshare_pid(*init));
  Result<ForkReservation> first = kernel->reserve_fork(*init);
  ASSERT_TRUE(first);
  EXPECT_EQ(fork_error(init), ENOMEM);
  kernel->publish_fork(std::move(*first));
  EXPECT_EQ(fork(init)->vnr(), 2);
}

TEST_F(ForkTest, SetTidPinsInnermostFirst) {
  Ref<Task> inner = child_in_new_ns(init);
  const std::vector<Nr> wanted = {42, 4242};
  Ref<Task> child = fork(inner, {.set_tid = wanted});
  EXPECT_EQ(child->numbers(), (std::vector<Nr>{4242, 42}));
  EXPECT_EQ(fork(inner)->vnr(), 2);  // the cursor did not move
  EXPECT_EQ(fork_error(inner, {.set_tid = wanted}), EEXIST);
  const std::vector<Nr> taken_above = {43, 4242};
  EXPECT_EQ(fork_error(inner, {.set_tid = taken_above}), EEXIST);
  EXPECT_EQ(kernel->find_pid(*inner->ns(), 43), nullptr);
  const std::vector<Nr> too_many = {5, 6, 7};
  EXPECT_EQ(fork_error(inner, {.set_tid = too_many}), EINVAL);
  const std::vector<Nr> zero = {0};
  EXPECT_EQ(fork_error(inner, {.set_tid = zero}), EINVAL);
  const std::vector<Nr> beyond = {kPidMaxDefault};
  EXPECT_EQ(fork_error(inner, {.set_tid = beyond}), EINVAL);
}

TEST_F(ForkTest, FirstTaskCanOnlyBeOne) {
  const std::vector<Nr> one = {1};
  const std::vector<Nr> two = {2};
  EXPECT_EQ(fork_error(init, {.new_pid_ns = true, .set_tid = two}), EINVAL);
  EXPECT_EQ(fork(init, {.new_pid_ns = true, .set_tid = one})->vnr(), 1);
}

TEST_F(ForkTest, Threads) {
  Ref<Task> t = thread(init);
  EXPECT_EQ(&t->group(), &init->group());
  EXPECT_EQ(t->vnr(), 2);
  EXPECT_FALSE(t->is_leader());
  EXPECT_EQ(kernel->find_task(root, 2), t);
  EXPECT_EQ(kernel->find_group(root, 2), nullptr);
  EXPECT_EQ(init->group().nr_threads(), 2);
  EXPECT_EQ(init->group().threads().size(), 2u);
  EXPECT_EQ(fork_error(init, {.thread = true, .new_pid_ns = true}), EINVAL);
  ASSERT_TRUE(kernel->unshare_pid(*init));
  EXPECT_EQ(fork_error(init, {.thread = true}), EINVAL);
  EXPECT_EQ(fork_error(init, {.new_pid_ns = true}), EINVAL);
}

TEST_F(ForkTest, CloneParent) {
  EXPECT_EQ(fork_error(init, {.clone_parent = true}), EINVAL);
  Ref<Task> child = fork(init, {.exit_signal = SIGUSR1});
  Ref<Task> sibling = fork(child, {.clone_parent = true, .exit_signal = SIGUSR2});
  EXPECT_EQ(sibling->group().parent(), &init->group());
  EXPECT_EQ(sibling->exit_signal(), SIGUSR1);
}

TEST_F(ForkTest, DisabledNamespaceGivesENOMEM) {
  Ref<Task> inner = child_in_new_ns(init);
  Ref<Task> worker = fork(inner);
  kernel->exit_task(*inner, 9);
  EXPECT_EQ(fork_error(worker), ENOMEM);
  EXPECT_EQ(fork_error(worker, {.thread = true}), ENOMEM);
  EXPECT_EQ(kernel->unshare_pid(*worker).error_code(), ENOMEM);
  ASSERT_TRUE(kernel->setns_pid(*init, *worker->ns()));
  EXPECT_EQ(fork_error(init), ENOMEM);
}

TEST_F(ForkTest, PublishedAfterTheParentWasReaped) {
  Ref<Task> parent = fork(init);
  ASSERT_TRUE(kernel->setsid(parent->group()));
  Result<ForkReservation> reservation = kernel->reserve_fork(*parent);
  die(parent);
  EXPECT_NE(kernel->find_pid(root, 2), nullptr);  // its group and session go on in the child
  Ref<Task> child = kernel->publish_fork(std::move(*reservation));
  EXPECT_EQ(child->group().parent(), &init->group());
  EXPECT_EQ(child->group().sid_nr_in(root), 2);
  EXPECT_EQ(kernel->find_task(root, 2), nullptr);
  die(child);
  EXPECT_EQ(kernel->find_pid(root, 2), nullptr);
}

TEST_F(ForkTest, ThreadPublishedAfterItsProcessWasReaped) {
  Ref<Task> process = fork(init);
  Result<ForkReservation> reservation = kernel->reserve_fork(*process, {.thread = true});
  die(process);
  Ref<Task> late = kernel->publish_fork(std::move(*reservation));
  EXPECT_FALSE(late->alive());
  EXPECT_EQ(kernel->find_task(root, 3), nullptr);
  EXPECT_EQ(root.nr_pids(), 1);
}

TEST_F(PinnedForkTest, HostGivesLevelZero) {
  Ref<Task> first = container(5000);
  EXPECT_EQ(first->numbers(), (std::vector<Nr>{5000, 1}));
  Result<ForkReservation> reservation = kernel->reserve_fork(*first);
  EXPECT_EQ(reservation->vnr(), 2);
  EXPECT_EQ(reservation->nr_in(root), 0);
  Ref<Task> child = kernel->publish_fork(std::move(*reservation), 30000000);
  EXPECT_EQ(child->numbers(), (std::vector<Nr>{30000000, 2}));
  EXPECT_EQ(kernel->find_task(root, 30000000), child);
  const std::vector<Nr> both = {7, 8};
  EXPECT_EQ(fork_error(first, {.set_tid = both}), EPERM);
  EXPECT_EQ(kernel->adopt(*first->ns(), {}).error_code(), EINVAL);
}

TEST_F(PinnedForkTest, RecycledNumberReapsTheZombieThatHadIt) {
  Ref<Task> first = container(100);
  Ref<Task> old = fork(first, {}, 101);
  kernel->exit_task(*old, 0);
  Ref<Task> fresh = fork(first, {}, 101);
  EXPECT_EQ(old->group().state(), GroupState::kDead);
  EXPECT_EQ(kernel->find_task(root, 101), fresh);
  EXPECT_EQ(kernel->find_task(*first->ns(), 2), nullptr);
  EXPECT_EQ(fresh->vnr(), 3);
}

TEST_F(PinnedForkTest, HostPidsGroupOutsiders) {
  Ref<Pid> shell = kernel->host_pid(777).value();
  EXPECT_EQ(kernel->host_pid(777).value(), shell);
  EXPECT_EQ(kernel->host_pid(-1).error_code(), EINVAL);
  Ref<PidNamespace> ns = kernel->create_namespace(root).value();
  AdoptArgs args;
  args.level0 = 100;
  args.pgid = args.sid = shell;
  Ref<Task> first = kernel->adopt(*ns, args).value();
  EXPECT_EQ(first->group().pgid_nr_in(*ns), 0);
  EXPECT_EQ(first->group().sid_nr_in(root), 777);
  EXPECT_EQ(kernel->find_task(root, 777), nullptr);
  EXPECT_EQ(kernel->members(*shell, PidType::kPgid).size(), 1u);
  // Left by its last member and used again.
  kernel->commit_setsid(first->group());
  EXPECT_EQ(kernel->find_pid(root, 777), nullptr);
  kernel->set_pgrp(first->group(), *shell);
  EXPECT_EQ(kernel->find_pid(root, 777), shell);
}

TEST_F(PinnedForkTest, HostPidWithoutANumber) {
  Ref<Pid> outside = kernel->host_pid(0).value();
  EXPECT_NE(kernel->host_pid(0).value(), outside);
  Ref<PidNamespace> ns = kernel->create_namespace(root).value();
  AdoptArgs args;
  args.level0 = 100;
  args.pgid = args.sid = outside;
  Ref<Task> first = kernel->adopt(*ns, args).value();
  EXPECT_EQ(first->group().pgid_nr_in(*ns), 0);
  EXPECT_EQ(first->group().sid_nr_in(root), 0);
  EXPECT_EQ(kernel->find_pid(root, 0), nullptr);
  EXPECT_EQ(kernel->members(*outside, PidType::kSid).size(), 1u);
  kernel->commit_setsid(first->group());
  EXPECT_TRUE(kernel->members(*outside, PidType::kPgid).empty());
  kernel->set_pgrp(first->group(), *outside);
  EXPECT_EQ(kernel->members(*outside, PidType::kPgid).size(), 1u);
}

TEST_F(PinnedForkTest, UnusedHostPidIsForgotten) {
  for (Nr nr = 1; nr <= 5000; ++nr) EXPECT_TRUE(kernel->host_pid(nr));
  EXPECT_LT(root.nr_pids(), 2100);  // what waits for a grace period, no more
  EXPECT_EQ(kernel->find_pid(root, 4999), nullptr);
  EXPECT_EQ(kernel->host_pid(4999).value()->level0(), 4999);
}

}  // namespace
}  // namespace warren::testing
