// Goroutines on threads of their own, subprocesses and signals, from a runtime that makes its calls
// without libc: clone, tgkill of its own threads (preemption) and wait4 come from Go's assembler.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The processes that ps sees, by number: their parents.
func parents() map[int]int {
	out, err := exec.Command("ps", "-eo", "pid=,ppid=").Output()
	must(err)
	seen := map[int]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var pid, ppid int
		fmt.Sscan(line, &pid, &ppid)
		seen[pid] = ppid
	}
	return seen
}

func threads() {
	const count = 16
	var ready, done sync.WaitGroup
	release := make(chan bool)
	ids := make([]int, count)
	ready.Add(count)
	done.Add(count)
	for i := range ids {
		go func(i int) {
			runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
			ids[i] = syscall.Gettid()
			ready.Done()
			<-release
			done.Done()
		}(i)
	}
	ready.Wait()
	distinct := map[int]bool{}
	for _, id := range ids {
		name := fmt.Sprintf("/proc/self/task/%d/status", id)
		status, err := os.ReadFile(name)
		must(err)
		if strings.Contains(string(status), fmt.Sprintf("\nPid:\t%d\n", id)) {
			distinct[id] = true
		}
	}
	fmt.Println("threads", len(distinct))
	close(release)
	done.Wait()
}

// A loop without calls is stopped by SIGURG, which the runtime sends to the thread by its number.
func preemption() {
	var stop int64
	for i := 0; i < 2; i++ {
		go func() {
			for atomic.LoadInt64(&stop) == 0 {
			}
		}()
	}
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	atomic.StoreInt64(&stop, 1)
	fmt.Println("collected")
}

func subprocesses() {
	var wrong int64
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for j := 0; j < 10; j++ {
				var out bytes.Buffer
				c := exec.Command("sh", "-c", fmt.Sprintf("echo $$ $PPID; exit %d", i*10+j))
				c.Stdout = &out
				err := c.Run()
				status := 0
				if exit, ok := err.(*exec.ExitError); ok {
					status = exit.ExitCode()
				}
				want := fmt.Sprintf("%d %d\n", c.Process.Pid, os.Getpid())
				if out.String() != want || status != i*10+j || c.ProcessState.Pid() != c.Process.Pid {
					atomic.AddInt64(&wrong, 1)
					fmt.Printf("got %q, %d; want %q, %d\n", out.String(), status, want, i*10+j)
				}
			}
		}(i)
	}
	group.Wait()
	fmt.Println("wrong subprocesses", wrong)
}

func signals() {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	must(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	fmt.Println("got", <-got)

	out, err := exec.Command("sh", "-c", "kill -USR1 $PPID").CombinedOutput()
	must(err)
	fmt.Println("got", <-got, len(out))

	victim := exec.Command("sleep", "1000")
	victim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(victim.Start())
	group, err := syscall.Getpgid(victim.Process.Pid)
	must(err)
	seen := parents()
	fmt.Println("victim leads its group", group == victim.Process.Pid, "child of", seen[victim.Process.Pid])
	must(syscall.Kill(-group, syscall.SIGTERM))
	fmt.Println("victim:", victim.Wait())
	_, err = os.Stat("/proc/" + strconv.Itoa(victim.Process.Pid))
	fmt.Println("gone", os.IsNotExist(err), syscall.Kill(victim.Process.Pid, 0))
}

func main() {
	fmt.Println("pid", os.Getpid(), "ppid", os.Getppid())
	fmt.Println("family", len(parents()))
	threads()
	preemption()
	subprocesses()
	signals()
	if len(os.Args) > 1 {
		must(syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
	}
	os.Exit(7)
}
