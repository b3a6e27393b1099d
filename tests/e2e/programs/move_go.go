// Goroutines that never give way: a collection has to stop their threads by signals, which go to
// the numbers that the threads had when they were made.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
)

func main() {
	runtime.GOMAXPROCS(4)
	var sum [3]atomic.Uint64
	for i := 0; i < 3; i++ {
		go func(i int) {
			n := uint64(0)
			for {
				n++
				if n == 1 {
					sum[i].Store(n)
				}
			}
		}(i)
	}
	for i := 0; i < 3; i++ {
		for sum[i].Load() == 0 {
			runtime.Gosched()
		}
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	fmt.Println("collected")
}
