// Kills random descendants of a process, on the host, until it is gone; says how many.
//   killer PID SEED
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kMost = 8192 };
static struct { int pid, parent, below; } all[kMost];

// Everything on the host, with its parent.
static int scan(void) {
  int count = 0;
  DIR* proc = opendir("/proc");
  if (!proc) exit(2);
  for (struct dirent* entry; (entry = readdir(proc)) && count < kMost;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE* file = fopen(path, "r");
    if (!file) continue;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    const char* rest = strrchr(text, ')');
    int parent;
    char state;
    if (rest && sscanf(rest + 1, " %c %d", &state, &parent) == 2 && state != 'Z') {
      all[count].pid = atoi(entry->d_name);
      all[count].parent = parent;
      all[count].below = 0;
      count++;
    }
  }
  closedir(proc);
  return count;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int init = atoi(argv[1]);
  alarm(90);  // a container that hangs is a failure, and not of this program
  srandom((unsigned)atoi(argv[2]));
  long killed = 0, scans = 0, idle = 0;
  while (kill(init, 0) == 0) {
    const int count = scan();
    scans++;
    static int victims[kMost];
    int nr_victims = 0;
    for (int changed = 1; changed;) {
      changed = 0;
      for (int i = 0; i < count; i++) {
        if (all[i].below) continue;
        int below = all[i].parent == init;
        for (int k = 0; k < nr_victims && !below; k++) below = victims[k] == all[i].parent;
        if (!below) continue;
        all[i].below = changed = 1;
        victims[nr_victims++] = all[i].pid;
      }
    }
    idle += nr_victims == 0;
    if (nr_victims && kill(victims[random() % nr_victims], SIGKILL) == 0) killed++;
    // At another moment of whatever they do each time.
    usleep((useconds_t)(random() % 6000));
  }
  fprintf(stderr, "scans %ld without victims %ld\n", scans, idle);
  printf("%ld\n", killed);
  return 0;
}
