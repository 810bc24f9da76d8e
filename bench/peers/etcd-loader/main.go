// A closed-loop loader for etcd with the shape of bench/src/loader.ts: n clients over a number of connections, one mode,
// a warm-up, some seconds, one line of JSON. A connection speaks to one member; the connections are dealt out evenly.
//
// A batch is one transaction of etcd, which is atomic. Thermocline's batches here go to many series and are not.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const (
	warmUp         = 500 * time.Millisecond
	requestTimeout = 10 * time.Second
	// Operations of one filling transaction; etcd takes 128 unless told otherwise.
	fillBatch = 100
	// Kernel clock ticks per second of /proc/PID/stat.
	ticksPerSecond = 100
)

type options struct {
	endpoints   []string
	mode        string
	clients     int
	connections int
	duration    time.Duration
	keys        int
	batch       int
	value       string
	pids        []string
}

// The fields of `LoaderSample` in bench/src/sample.ts.
type sample struct {
	Operations      int       `json:"operations"`
	Seconds         float64   `json:"seconds"`
	ServerCPUSecond float64   `json:"serverCpuSeconds"`
	LoaderCPUSecond float64   `json:"loaderCpuSeconds"`
	Errors          int64     `json:"errors"`
	FirstError      string    `json:"firstError,omitempty"`
	Calls           int       `json:"calls"`
	QuantilesMs     []float64 `json:"quantilesMs"`
}

func parseOptions() options {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "members, separated by commas")
	mode := flag.String("mode", "put", "fill, put, get, batchput or batchget")
	clients := flag.Int("clients", 128, "closed loops")
	connections := flag.Int("connections", 64, "connections, each to one member")
	seconds := flag.Float64("seconds", 5, "how long to measure")
	keys := flag.Int("keys", 10000, "different keys")
	batch := flag.Int("batch", 32, "operations of a batch")
	valueBytes := flag.Int("value-bytes", 200, "size of a value")
	pids := flag.String("pids", "", "processes whose CPU time is counted, separated by commas")
	flag.Parse()
	o := options{
		endpoints: strings.Split(*endpoints, ","), mode: *mode, clients: *clients, connections: *connections,
		duration: time.Duration(*seconds * float64(time.Second)), keys: *keys, batch: *batch,
		value: strings.Repeat("v", *valueBytes),
	}
	if *pids != "" {
		o.pids = strings.Split(*pids, ",")
	}
	return o
}

func keyName(key int) string { return fmt.Sprintf("bench-%010d", key) }

// CPU seconds of the server processes so far, user and system, all threads.
func (o options) serverCPU() float64 {
	ticks := 0.0
	for _, pid := range o.pids {
		content, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			fail("reading the CPU time of process %s: %v", pid, err)
		}
		text := string(content)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+2:])
		for _, at := range []int{11, 12} {
			value, _ := strconv.ParseFloat(fields[at], 64)
			ticks += value
		}
	}
	return ticks / ticksPerSecond
}

func ownCPU() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail("getrusage: %v", err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, "etcd-loader: "+format+"\n", arguments...)
	os.Exit(1)
}

func connect(o options) []*clientv3.Client {
	pool := make([]*clientv3.Client, o.connections)
	for i := range pool {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{o.endpoints[i%len(o.endpoints)]}, DialTimeout: requestTimeout,
		})
		if err != nil {
			fail("connecting: %v", err)
		}
		pool[i] = client
	}
	return pool
}

func fill(client *clientv3.Client, o options) {
	for first := 0; first < o.keys; first += fillBatch {
		var puts []clientv3.Op
		for key := first; key < first+fillBatch && key < o.keys; key++ {
			puts = append(puts, clientv3.OpPut(keyName(key), o.value))
		}
		if _, err := client.Txn(context.Background()).Then(puts...).Commit(); err != nil {
			fail("filling from key %d: %v", first, err)
		}
	}
}

// One call, as the mode says.
func call(client *clientv3.Client, o options, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	switch o.mode {
	case "put":
		_, err := client.Put(ctx, keyName(random.Intn(o.keys)), o.value)
		return err
	case "get":
		_, err := client.Get(ctx, keyName(random.Intn(o.keys)))
		return err
	}
	ops := make([]clientv3.Op, 0, o.batch)
	chosen := make(map[int]bool, o.batch)
	for len(ops) < o.batch {
		key := random.Intn(o.keys)
		if chosen[key] {
			continue
		}
		chosen[key] = true
		if o.mode == "batchput" {
			ops = append(ops, clientv3.OpPut(keyName(key), o.value))
		} else {
			ops = append(ops, clientv3.OpGet(keyName(key)))
		}
	}
	_, err := client.Txn(ctx).Then(ops...).Commit()
	return err
}

type loops struct {
	isMeasuring, isOver int32
	errors              int64
	firstError          atomic.Value
	latenciesMs         [][]float64
}

func (l *loops) run(at int, client *clientv3.Client, o options) {
	random := rand.New(rand.NewSource(time.Now().UnixNano() + int64(at)))
	for atomic.LoadInt32(&l.isOver) == 0 {
		began := time.Now()
		err := call(client, o, random)
		if atomic.LoadInt32(&l.isMeasuring) == 0 {
			continue
		}
		if err != nil {
			atomic.AddInt64(&l.errors, 1)
			l.firstError.CompareAndSwap(nil, err.Error())
			continue
		}
		l.latenciesMs[at] = append(l.latenciesMs[at], float64(time.Since(began).Nanoseconds())/1e6)
	}
}

func measure(pool []*clientv3.Client, o options) sample {
	l := &loops{latenciesMs: make([][]float64, o.clients)}
	var running sync.WaitGroup
	for i := 0; i < o.clients; i++ {
		running.Add(1)
		go func(at int) {
			defer running.Done()
			l.run(at, pool[at%len(pool)], o)
		}(i)
	}
	time.Sleep(warmUp)
	atomic.StoreInt32(&l.isMeasuring, 1)
	server, own, began := o.serverCPU(), ownCPU(), time.Now()
	time.Sleep(o.duration)
	atomic.StoreInt32(&l.isMeasuring, 0)
	seconds := time.Since(began).Seconds()
	result := sample{Seconds: seconds, ServerCPUSecond: o.serverCPU() - server, LoaderCPUSecond: ownCPU() - own}
	atomic.StoreInt32(&l.isOver, 1)
	running.Wait()

	all := []float64{}
	for _, some := range l.latenciesMs {
		all = append(all, some...)
	}
	sort.Float64s(all)
	result.Calls, result.Operations, result.Errors = len(all), len(all), atomic.LoadInt64(&l.errors)
	if strings.HasPrefix(o.mode, "batch") {
		result.Operations *= o.batch
	}
	if message, ok := l.firstError.Load().(string); ok {
		result.FirstError = message
	}
	result.QuantilesMs = quantiles(all)
	return result
}

// The 1001 quantiles 0, 0.001 … 1 of sorted values.
func quantiles(sorted []float64) []float64 {
	found := []float64{}
	if len(sorted) == 0 {
		return found
	}
	for i := 0; i <= 1000; i++ {
		found = append(found, sorted[(len(sorted)-1)*i/1000])
	}
	return found
}

func main() {
	o := parseOptions()
	pool := connect(o)
	switch o.mode {
	case "fill":
		fill(pool[0], o)
	case "put", "get", "batchput", "batchget":
		if err := json.NewEncoder(os.Stdout).Encode(measure(pool, o)); err != nil {
			fail("writing the result: %v", err)
		}
	default:
		fail("mode %q is not fill, put, get, batchput or batchget", o.mode)
	}
}
