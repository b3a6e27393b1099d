// What the tests of debuggers look at: a function that is called in a process, a thread and a
// child; a signal that is handled; with an argument, it waits to be attached to.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int counter;
volatile int leave;

__attribute__((noinline)) int work(int n) {
  counter = n * 2;
  return counter;
}

static void* run(void* argument) {
  work(7);
  return argument;
}

static void handler(int number) { counter = number; }

int main(int argc, char** argv) {
  (void)argv;
  signal(SIGUSR1, handler);
  printf("pid %d\n", getpid());
  fflush(stdout);
  if (argc > 1) {
    while (!leave) usleep(1000);
    printf("left\n");
    return 0;
  }
  work(21);
  pthread_t thread;
  pthread_create(&thread, 0, run, 0);
  pthread_join(thread, 0);
  pid_t child = fork();
  if (child == 0) _exit(work(5));
  int status;
  waitpid(child, &status, 0);
  printf("child %d status %d\n", child, WEXITSTATUS(status));
  kill(getpid(), SIGUSR1);
  printf("counter %d\n", counter == SIGUSR1);
  return 0;
}
