// A virtual machine's threads, subprocesses (which it starts by a helper and posix_spawn, and waits
// for from threads of its own), process handles, and its end by a signal.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

class Family {
  static String output(Process process) throws Exception {
    return new String(process.getInputStream().readAllBytes()).trim();
  }

  static boolean subprocess(int status) throws Exception {
    Process process =
        new ProcessBuilder("sh", "-c", "echo $$ $PPID; exit " + status).redirectErrorStream(true).start();
    String out = output(process);
    String want = process.pid() + " " + ProcessHandle.current().pid();
    if (out.equals(want) && process.waitFor() == status) return true;
    System.out.println("got \"" + out + "\", " + process.waitFor() + "; want \"" + want + "\", " + status);
    return false;
  }

  static void subprocesses() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    List<Callable<Boolean>> work = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      int status = i;
      work.add(() -> subprocess(status));
    }
    int right = 0;
    for (Future<Boolean> result : pool.invokeAll(work)) right += result.get() ? 1 : 0;
    pool.shutdown();
    System.out.println("subprocesses " + right + " " + pool.awaitTermination(10, TimeUnit.SECONDS));
  }

  // Each thread's own number, from the kernel's view of whoever reads it.
  static void threads() throws Exception {
    int count = 32;
    CyclicBarrier barrier = new CyclicBarrier(count);
    Set<String> links = new TreeSet<>();
    Thread[] threads = new Thread[count];
    for (int i = 0; i < count; i++) {
      threads[i] = new Thread(() -> {
        try {
          String link = Files.readSymbolicLink(Path.of("/proc/thread-self")).toString();
          synchronized (links) { links.add(link); }
          barrier.await();
          if (!Files.isDirectory(Path.of("/proc/" + link))) System.out.println("no " + link);
          barrier.await();
        } catch (Exception e) {
          e.printStackTrace();
        }
      });
      threads[i].start();
    }
    for (Thread thread : threads) thread.join();
    String prefix = ProcessHandle.current().pid() + "/task/";
    System.out.println("threads " + links.stream().filter(l -> l.startsWith(prefix)).count());
  }

  static void handles() throws Exception {
    Process group = new ProcessBuilder("sh", "-c", "sleep 1000 & echo $!; wait").start();
    byte[] line = new byte[16];
    int size = group.getInputStream().read(line);
    long grandchild = Long.parseLong(new String(line, 0, size).trim());
    ProcessHandle self = ProcessHandle.current();
    Process ps = new ProcessBuilder("ps", "-eo", "pid=").start();
    Set<Long> seen = output(ps).lines().map(l -> Long.parseLong(l.trim())).collect(Collectors.toCollection(TreeSet::new));
    ps.waitFor();
    seen.remove(ps.pid());
    Set<Long> handles =
        ProcessHandle.allProcesses().map(ProcessHandle::pid).collect(Collectors.toCollection(TreeSet::new));
    System.out.println("as ps sees it " + seen.equals(handles));
    System.out.println("children " + self.children().map(ProcessHandle::pid).collect(Collectors.toList())
        .equals(List.of(group.pid())));
    System.out.println("descendants " + self.descendants().map(ProcessHandle::pid)
        .collect(Collectors.toCollection(TreeSet::new)).equals(new TreeSet<>(List.of(group.pid(), grandchild))));
    ProcessHandle sleeper = ProcessHandle.of(grandchild).orElseThrow();
    System.out.println("parent " + (sleeper.parent().orElseThrow().pid() == group.pid()));
    System.out.println("killed " + sleeper.destroyForcibly() + " " + group.waitFor());

    Process victim = new ProcessBuilder("sleep", "1000").start();
    CountDownLatch ended = new CountDownLatch(1);
    victim.onExit().thenRun(ended::countDown);
    victim.destroy();
    System.out.println("terminated " + ended.await(10, TimeUnit.SECONDS) + " " + victim.exitValue());
  }

  // Enough of it to be compiled while the other threads stop and go.
  static long compiled() {
    long sum = 0;
    for (int i = 0; i < 20_000_000; i++) sum += Integer.toString(i & 7).hashCode() ^ i;
    return sum;
  }

  public static void main(String[] arguments) throws Exception {
    ProcessHandle self = ProcessHandle.current();
    if (arguments.length > 0 && arguments[0].equals("serve")) {  // for jcmd, until its input ends
      Thread.currentThread().setName("attendant");
      System.out.println("ready");
      System.exit(System.in.read() < 0 ? 0 : 1);
    }
    if (arguments.length > 0) {  // ended by a signal, its hooks run
      Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
      new ProcessBuilder("kill", "-" + arguments[0], Long.toString(self.pid())).inheritIO().start().waitFor();
      Thread.sleep(60_000);
      System.exit(1);
    }
    System.out.println("pid " + self.pid() + " parent " + self.parent().isPresent());
    System.out.println("compiled " + compiled());
    threads();
    subprocesses();
    handles();
    System.exit(9);
  }
}
