// A closed-loop loader for etcd with the shape of bench/src/loader.ts: n clients over a number of connections, one mode,
// a warm-up, some seconds, one line of JSON. A connection speaks to one member; the connections are dealt out evenly.
//
// A batch is one transaction of etcd, which is atomic. Thermocline's batches here go to many series and are not.
//
// With -draws it asks for the pages of bench/src/memory/dataset.ts, as bench/src/memory/loader.ts does: mode load reads, and
// writes with a chance of -write-share.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
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
	"go.etcd.io/etcd/mvcc/mvccpb"
)

const (
	warmUp         = 500 * time.Millisecond
	requestTimeout = 10 * time.Second
	// Operations of one filling transaction; etcd takes 128 unless told otherwise.
	fillBatch = 100
	// Filling transactions at a time, and how often it is said how far they are.
	fillsAtOnce = 8
	progress    = 2 * time.Second
	// As in bench/src/memory/dataset.ts.
	windowStep = 7919
	golden     = 0x9e3779b1
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
	pids        []string
	wait        bool
	seed        int64
	writeShare  float64
	// Pages to ask for, one after the other; without, keys are chosen evenly.
	draws []uint32
	// Values are windows of it.
	pool       string
	valueBytes int
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
	Writes          *writes   `json:"writes,omitempty"`
}

type writes struct {
	Calls       int       `json:"calls"`
	QuantilesMs []float64 `json:"quantilesMs"`
}

func parseOptions() options {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "members, separated by commas")
	mode := flag.String("mode", "put", "fill, put, get, batchput, batchget or load")
	clients := flag.Int("clients", 128, "closed loops")
	connections := flag.Int("connections", 64, "connections, each to one member")
	seconds := flag.Float64("seconds", 5, "how long to measure")
	keys := flag.Int("keys", 10000, "different keys")
	batch := flag.Int("batch", 32, "operations of a batch")
	valueBytes := flag.Int("value-bytes", 200, "size of a value")
	pids := flag.String("pids", "", "processes whose CPU time is counted, separated by commas")
	draws := flag.String("draws", "", "file of pages to ask for, 32 bits each")
	values := flag.String("values", "", "file whose windows are the values of pages")
	writeShare := flag.Float64("write-share", 0, "share of writes among the calls of mode load")
	seed := flag.Int64("seed", time.Now().UnixNano(), "decides where in the draws to begin")
	wait := flag.Bool("wait", false, "print ready once connected, and begin at a line on stdin")
	flag.Parse()
	o := options{
		endpoints: strings.Split(*endpoints, ","), mode: *mode, clients: *clients, connections: *connections,
		duration: time.Duration(*seconds * float64(time.Second)), keys: *keys, batch: *batch,
		wait: *wait, seed: *seed, writeShare: *writeShare, pool: strings.Repeat("v", *valueBytes+1), valueBytes: *valueBytes,
	}
	if *draws != "" {
		content := read(*draws)
		o.draws = make([]uint32, len(content)/4)
		for i := range o.draws {
			o.draws[i] = binary.LittleEndian.Uint32(content[4*i:])
		}
		o.pool = string(read(*values))
	}
	if *pids != "" {
		o.pids = strings.Split(*pids, ",")
	}
	return o
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		fail("%v", err)
	}
	return content
}

func (o options) valueOf(key int) string {
	first := key * windowStep % (len(o.pool) - o.valueBytes)
	return o.pool[first : first+o.valueBytes]
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

func fill(pool []*clientv3.Client, o options) {
	var next, filled int64
	var running sync.WaitGroup
	for i := 0; i < fillsAtOnce; i++ {
		running.Add(1)
		go func(client *clientv3.Client) {
			defer running.Done()
			for {
				first := int(atomic.AddInt64(&next, fillBatch)) - fillBatch
				var puts []clientv3.Op
				for key := first; key < first+fillBatch && key < o.keys; key++ {
					puts = append(puts, clientv3.OpPut(keyName(key), o.valueOf(key)))
				}
				if len(puts) == 0 {
					return
				}
				if _, err := client.Txn(context.Background()).Then(puts...).Commit(); err != nil {
					fail("filling from key %d: %v", first, err)
				}
				atomic.AddInt64(&filled, int64(len(puts)))
			}
		}(pool[i%len(pool)])
	}
	if o.draws != nil {
		go func() {
			for range time.Tick(progress) {
				fmt.Println(atomic.LoadInt64(&filled))
			}
		}()
	}
	running.Wait()
}

// What one client asks for.
type chooser struct {
	o      options
	random *rand.Rand
	at     int
}

func newChooser(o options, client int) *chooser {
	c := &chooser{o: o, random: rand.New(rand.NewSource(o.seed + int64(client)))}
	if len(o.draws) > 0 {
		c.at = int(uint32(o.seed+int64(client)<<16)*golden) % len(o.draws)
	}
	return c
}

func (c *chooser) key() int {
	if c.o.draws == nil {
		return c.random.Intn(c.o.keys)
	}
	key := c.o.draws[c.at]
	c.at = (c.at + 1) % len(c.o.draws)
	return int(key)
}

func (c *chooser) nextIsWrite() bool {
	return c.o.mode == "put" || c.o.mode == "batchput" || c.o.mode == "load" && c.random.Float64() < c.o.writeShare
}

func (o options) isBatch() bool {
	return strings.HasPrefix(o.mode, "batch") || o.mode == "load" && o.batch > 1
}

// One call: a read, or a write.
func call(client *clientv3.Client, c *chooser, isWrite bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	if !c.o.isBatch() {
		key := c.key()
		if isWrite {
			_, err := client.Put(ctx, keyName(key), c.o.valueOf(key))
			return err
		}
		answer, err := client.Get(ctx, keyName(key))
		if err != nil {
			return err
		}
		return c.o.check(answer.Kvs, key)
	}
	ops := make([]clientv3.Op, 0, c.o.batch)
	keys := make([]int, 0, c.o.batch)
	chosen := make(map[int]bool, c.o.batch)
	for len(ops) < c.o.batch {
		key := c.key()
		if chosen[key] {
			continue
		}
		chosen[key] = true
		keys = append(keys, key)
		if isWrite {
			ops = append(ops, clientv3.OpPut(keyName(key), c.o.valueOf(key)))
		} else {
			ops = append(ops, clientv3.OpGet(keyName(key)))
		}
	}
	answer, err := client.Txn(ctx).Then(ops...).Commit()
	if err != nil || isWrite {
		return err
	}
	for i, one := range answer.Responses {
		if err := c.o.check(one.GetResponseRange().Kvs, keys[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o options) check(found []*mvccpb.KeyValue, key int) error {
	if len(found) != 1 {
		return fmt.Errorf("key %d is missing; fill first", key)
	}
	if len(found[0].Value) != o.valueBytes {
		return fmt.Errorf("key %d: got %d bytes; wanted %d", key, len(found[0].Value), o.valueBytes)
	}
	return nil
}

type loops struct {
	isMeasuring, isOver int32
	errors              int64
	firstError          atomic.Value
	// By client; apart for the writes of a mix.
	latenciesMs, writesMs [][]float64
}

func (l *loops) run(at int, client *clientv3.Client, o options) {
	chooser := newChooser(o, at)
	for atomic.LoadInt32(&l.isOver) == 0 {
		isWrite := chooser.nextIsWrite()
		began := time.Now()
		err := call(client, chooser, isWrite)
		if atomic.LoadInt32(&l.isMeasuring) == 0 {
			continue
		}
		if err != nil {
			atomic.AddInt64(&l.errors, 1)
			l.firstError.CompareAndSwap(nil, err.Error())
			continue
		}
		took := float64(time.Since(began).Nanoseconds()) / 1e6
		if isWrite && o.mode == "load" {
			l.writesMs[at] = append(l.writesMs[at], took)
		} else {
			l.latenciesMs[at] = append(l.latenciesMs[at], took)
		}
	}
}

func measure(pool []*clientv3.Client, o options) sample {
	l := &loops{latenciesMs: make([][]float64, o.clients), writesMs: make([][]float64, o.clients)}
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

	reads, written := sorted(l.latenciesMs), sorted(l.writesMs)
	result.Calls, result.Errors = len(reads)+len(written), atomic.LoadInt64(&l.errors)
	result.Operations = result.Calls
	if o.isBatch() {
		result.Operations *= o.batch
	}
	if message, ok := l.firstError.Load().(string); ok {
		result.FirstError = message
	}
	result.QuantilesMs = quantiles(reads)
	if len(written) > 0 {
		result.Writes = &writes{Calls: len(written), QuantilesMs: quantiles(written)}
	}
	return result
}

func sorted(byClient [][]float64) []float64 {
	all := []float64{}
	for _, some := range byClient {
		all = append(all, some...)
	}
	sort.Float64s(all)
	return all
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
		fill(pool, o)
	case "put", "get", "batchput", "batchget", "load":
		if o.wait {
			fmt.Println("ready")
			if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
				fail("waiting to begin: %v", err)
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(measure(pool, o)); err != nil {
			fail("writing the result: %v", err)
		}
	default:
		fail("mode %q is not fill, put, get, batchput, batchget or load", o.mode)
	}
}
