package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

// What the program has made before it reads its request: a host that starts evaluations from here must keep all of it.
var (
	startedAt   = time.Now()
	startRandom = rand.Uint64()
	startNames  = namesByNumber(50)
	questions   = make(chan int)
	answers     = make(chan int)
	started     sync.WaitGroup
)

func init() {
	started.Go(func() {})
	for range 4 {
		go func() {
			for question := range questions {
				answers <- question * question
			}
		}()
	}
	runtime.Gosched()
}

func namesByNumber(count int) map[int]string {
	names := map[int]string{}
	for number := range count {
		names[number] = fmt.Sprintf("name %d", number)
	}
	return names
}

// runtimeBehaviour uses Go's runtime hard; the text is what there is to see of it.
func runtimeBehaviour(behaviour string, input []byte) (string, bool) {
	switch behaviour {
	case "goroutines":
		return fmt.Sprint(askGoroutines(), " ", sumConcurrently(100)), true
	case "map-order":
		return fmt.Sprint(keysInOrderOfIteration(startNames), keysInOrderOfIteration(namesByNumber(20))), true
	case "random":
		return fmt.Sprint(startRandom, " ", rand.Uint64(), " ", rand.Perm(5)), true
	case "clock":
		return fmt.Sprint(startedAt.UnixNano(), " ", time.Now().UnixNano(), " ", time.Since(startedAt) >= 0), true
	case "sleep":
		return sleepInTurns(), true
	case "grow":
		return fmt.Sprint(grow(24)), true
	case "collect":
		return collectGarbage(), true
	case "recover":
		return recovered(), true
	case "set-up":
		return fillTables(5000), true
	case "size":
		return fmt.Sprint(len(input)), true
	case "panic":
		panic("the guest panics")
	case "exit":
		fmt.Fprintln(os.Stderr, "the guest exits")
		os.Exit(7)
	case "deadlock":
		<-make(chan int)
	}
	return "", false
}

func askGoroutines() int {
	sum := 0
	go func() {
		for question := range 10 {
			questions <- question
		}
	}()
	for range 10 {
		sum += <-answers
	}
	started.Wait()
	return sum
}

func sumConcurrently(count int) int {
	var group sync.WaitGroup
	var lock sync.Mutex
	sum := 0
	for number := range count {
		group.Go(func() {
			runtime.Gosched()
			lock.Lock()
			defer lock.Unlock()
			sum += number
		})
	}
	group.Wait()
	return sum
}

func keysInOrderOfIteration(names map[int]string) []int {
	keys := make([]int, 0, len(names))
	for key := range names {
		keys = append(keys, key)
	}
	return keys
}

func sleepInTurns() string {
	var group sync.WaitGroup
	var lock sync.Mutex
	var order []string
	for _, ms := range []int{3, 1, 2} {
		group.Go(func() {
			time.Sleep(time.Duration(ms) * time.Millisecond)
			lock.Lock()
			defer lock.Unlock()
			order = append(order, fmt.Sprint(ms))
		})
	}
	group.Wait()
	return strings.Join(order, " ")
}

// grow takes memory from the host and looks whether it is clean.
func grow(megabytes int) int {
	sum := 0
	for range megabytes {
		block := make([]byte, 1<<20)
		for _, value := range block {
			sum += int(value)
		}
		block[0] = 1
		kept = append(kept, block)
	}
	return sum + len(kept)
}

func collectGarbage() string {
	for range 100 {
		kept = append(kept, make([]byte, 1<<14))
	}
	kept = nil
	runtime.GC()
	finalised := make(chan string, 1)
	runtime.AddCleanup(new([64]int), func(text string) { finalised <- text }, "cleaned up")
	runtime.GC()
	return <-finalised
}

func recovered() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	var nothing map[string]int
	nothing["x"] = 1
	return "unreachable"
}

// fillTables does what programs do that prepare themselves only once they know their settings.
func fillTables(count int) string {
	names := namesByNumber(count)
	sorted := make([]string, 0, count)
	for _, name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted[count-1]
}
