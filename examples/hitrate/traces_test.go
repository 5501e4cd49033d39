package main

import (
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial/trialtest"
)

// What each policy finds in a trace that is short enough to follow by hand.
func TestPoliciesOnATinyTrace(t *testing.T) {
	const capacity = 2
	order := []uint32{1, 2, 1, 3, 1, 2, 3, 1}
	want := map[string]int{
		// 1 and 2 come in, 1 is found. 3 is not kept, as the others come first: 1 and 2 are found.
		// Then 3 is not there, and 1 is found.
		best: 4,
		// 1 and 2 come in, 1 is found. 3 comes: 1 goes to the main queue, and 2 goes. 1 is found. 2
		// comes: 3 goes. 3 comes: 2 goes, whether it is new or remembered. 1 is found.
		oneShard: 3,
		// 1 is found, 3 takes the place of 2, 1 is found, 2 takes that of 3, 3 that of 1, 1 that of 2.
		classic: 2,
	}
	for name, found := range want {
		for _, p := range policies {
			if p.name != name {
				continue
			}
			if r := p.run(order, capacity); r.held != found {
				t.Errorf("%s: %d held of %v, want %d", name, r.held, order, found)
			}
		}
	}
}

// With one shard, what a Map holds is what S3-FIFO says, whatever the pace of collections. Which of
// those that were evicted a Map remembers depends a little on their hashes.
func TestRetainMaxHoldsWhatS3FIFOSays(t *testing.T) {
	for name, order := range map[string][]uint32{
		"zipf": zipfian(1, 0.8, 2000, 30_000),
		"scan": scanned(zipfian(2, 0.9, 2000, 20_000), 2000),
		"loop": loop(100, 5000),
	} {
		for _, capacity := range []int{1, 20, 100, 700} {
			want := s3fifo(order, capacity)
			held := -1
			for _, p := range policies {
				if p.name != oneShard {
					continue
				}
				r := p.run(order, capacity)
				if off := math.Abs(float64(r.held-want)) / float64(len(order)); off > 0.02 || r.found < r.held {
					t.Errorf("%s, RetainMax %d, GOGC %d: %d were held and %d found, want about %d held", name, capacity, p.gogc, r.held, r.found, want)
				}
				if held >= 0 && r.held != held {
					t.Errorf("%s, RetainMax %d, GOGC %d: %d were held, and %d at another pace", name, capacity, p.gogc, r.held, held)
				}
				held = r.held
			}
		}
	}
}

// s3fifo simulates RetainMax: SIEVE behind the small queue of S3-FIFO (Yang et al., SOSP 2023). What is new
// waits in a queue that keeps to a tenth of the capacity once that is full. What was not used again
// when it comes to its end leaves, and its key is remembered while as many others as fill the rest
// leave. What was used, and what comes again while it is remembered, goes to the rest, where SIEVE
// decides.
func s3fifo(order []uint32, capacity int) (found int) {
	waits := max(capacity/10, 1)
	rest := sieve{used: make(map[uint32]bool)}
	var small, ghosts []uint32
	used := make(map[uint32]bool)  // of what is in the small queue
	ghost := make(map[uint32]bool) // what is remembered
	for _, key := range order {
		if _, ok := used[key]; ok {
			used[key] = true
			found++
			continue
		}
		if rest.use(key) {
			found++
			continue
		}
		for len(used)+len(rest.used) >= capacity {
			if len(small) < waits {
				rest.evict()
				continue
			}
			oldest := small[0]
			small = small[1:]
			if used[oldest] {
				rest.add(oldest)
			} else {
				if len(ghosts) >= capacity {
					delete(ghost, ghosts[0])
					ghosts = ghosts[1:]
				}
				ghosts = append(ghosts, oldest)
				ghost[oldest] = true
			}
			delete(used, oldest)
		}
		if ghost[key] {
			delete(ghost, key)
			rest.add(key)
		} else {
			small = append(small, key)
			used[key] = false
		}
	}
	return found
}

// A sieve simulates the queue of SIEVE (Zhang et al., NSDI 2024).
type sieve struct {
	ahead  []uint32        // what the hand comes to in this round, the oldest first
	passed []uint32        // what it has passed, which is older
	used   map[uint32]bool // of what is held, whether it was used since the hand came by
}

// use notes a use, and reports whether key is held.
func (s *sieve) use(key uint32) bool {
	_, held := s.used[key]
	if held {
		s.used[key] = true
	}
	return held
}

func (s *sieve) add(key uint32) {
	s.ahead = append(s.ahead, key)
	s.used[key] = false
}

// evict takes one out. There must be one.
func (s *sieve) evict() {
	for {
		if len(s.ahead) == 0 {
			s.ahead, s.passed = s.passed, nil
		}
		oldest := s.ahead[0]
		s.ahead = s.ahead[1:]
		if !s.used[oldest] {
			delete(s.used, oldest)
			return
		}
		s.used[oldest] = false
		s.passed = append(s.passed, oldest)
	}
}

func TestNoPolicyHoldsMoreThanTheOptimum(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		order := zipfian(random.Uint64(), 0.5+random.Float64(), 1+random.IntN(300), 3000)
		capacity := 1 + random.IntN(200)
		most := optimum(order, capacity)
		for _, p := range policies {
			if r := p.run(order, capacity); r.held > most {
				t.Errorf("%s holds %d of %d with a capacity of %d, and the optimum is %d", p.name, r.held, len(order), capacity, most)
			}
		}
	}
}

// The comparison is at equal numbers.
func TestOtterKeepsToItsSize(t *testing.T) {
	const capacity = 50
	c := newOtter(capacity)
	for i, key := range zipfian(1, 0.8, 1000, 10_000) {
		if _, ok := c.GetIfPresent(key); !ok {
			c.Set(key, &block{key: key})
		}
		if n := c.EstimatedSize(); n > capacity || i > 1000 && n < capacity {
			t.Fatalf("%d values after %d requests, want %d", n, i+1, capacity)
		}
	}
}

// bruteForce is the optimum by trying everything.
func bruteForce(order []uint32, held []uint32, capacity int) (found int) {
	if len(order) == 0 {
		return 0
	}
	key, rest := order[0], order[1:]
	if slices.Contains(held, key) {
		return 1 + bruteForce(rest, held, capacity)
	}
	most := bruteForce(rest, held, capacity)
	if len(held) < capacity {
		return max(most, bruteForce(rest, append(slices.Clone(held), key), capacity))
	}
	for i := range held {
		other := slices.Clone(held)
		other[i] = key
		most = max(most, bruteForce(rest, other, capacity))
	}
	return most
}

func TestTheOptimumIsOne(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		order := make([]uint32, 9)
		for i := range order {
			order[i] = uint32(random.IntN(5))
		}
		capacity := 1 + random.IntN(3)
		if got, want := optimum(order, capacity), bruteForce(order, nil, capacity); got != want {
			t.Errorf("%v with a capacity of %d: %d found, want %d", order, capacity, got, want)
		}
	}
}

func TestGeneratedTracesFollowTheSeed(t *testing.T) {
	const n, draws = 500, 20_000
	a, b, other := zipfian(7, 0.8, n, draws), zipfian(7, 0.8, n, draws), zipfian(8, 0.8, n, draws)
	if !slices.Equal(a, b) {
		t.Error("two traces of one seed differ")
	}
	if slices.Equal(a, other) {
		t.Error("traces of two seeds are the same")
	}
	// The most popular is drawn as often as the law says: 1 in the sum of all weights.
	count := make(map[uint32]int)
	for _, key := range zipfian(9, 1, n, draws) {
		if count[key]++; key >= n {
			t.Fatalf("key %d, want less than %d", key, n)
		}
	}
	most := 0
	for _, c := range count {
		most = max(most, c)
	}
	if want := draws / 6.79; float64(most) < 0.9*want || float64(most) > 1.1*want { // 1 + 1/2 + ... + 1/500 is 6.79
		t.Errorf("the most popular key was drawn %d times, want about %.0f", most, want)
	}
}

func TestScanAndLoop(t *testing.T) {
	got := scanned(make([]uint32, 40), 20) // a scan of one key after every fourth
	var want []uint32
	for i := range 10 {
		want = append(want, 0, 0, 0, 0, uint32(20+i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("scan %v, want %v", got, want)
	}
	if got, want := loop(10, 13), []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("loop %v, want %v", got, want)
	}
}

func TestOccurrences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	if err := os.WriteFile(path, []byte("package a; var b, c = a, b"), 0o666); err != nil {
		t.Fatal(err)
	}
	order, distinct := occurrences([]string{path, filepath.Join(path, "missing"), path}, 7)
	if want := []uint32{0, 1, 2, 0, 1, 0, 1}; !slices.Equal(order, want) || distinct != 3 {
		t.Errorf("%v of %d identifiers, want %v of 3", order, distinct, want)
	}
}

// The program prints the same figures in both formats.
func TestTraces(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, map[string]string{"a.go": "package a; var b, c, d, e = f, g, h, f", "b.go": "package a; var i = b"})
	args := []string{"-traces", "-dir", dir, "-keys=200", "-requests=3000", "-seed=5"}
	rows, _ := trialtest.Table(t, args...)
	stdout, stderr, status := trialtest.Run(t, append(args, "-format=csv")...)
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d, stderr %q", status, stderr)
	}
	lines, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const traces = 10
	if want := 1 + traces*len(sizes)*len(policies); len(lines) != want || len(rows) != traces*len(sizes) {
		t.Fatalf("%d lines and %d rows, want %d and %d", len(lines), len(rows), want, traces*len(sizes))
	}
	for _, l := range lines[1:] {
		name, percent, cache, gogc := l[0], l[1], l[4], l[5]
		var n [4]float64
		for i, at := range []int{2, 3, 6, 7} {
			if n[i], err = strconv.ParseFloat(l[at], 64); err != nil {
				t.Fatal(err)
			}
		}
		capacity, requests, found, held := n[0], n[1], n[2], n[3]
		if capacity < 1 || requests < 10 || found < held || found > requests {
			t.Errorf("%v: a capacity of %v, %v requests, %v found, %v held", l, capacity, requests, found, held)
		}
		// Otter draws lots. What RetainMax remembers, and the shards, follow a hash with a seed of the
		// process.
		if row := rows[name+", "+percent+" %"]; cache != rival && cache != "default shards" && (gogc == "" || gogc == "100") {
			want := 100 * held / requests
			if cache == oneShard {
				if got, err := strconv.ParseFloat(row[cache], 64); err != nil || math.Abs(got-want) > 10 {
					t.Errorf("%v: %s in the table, want about %s", l, row[cache], point(want))
				}
			} else if row[cache] != point(want) {
				t.Errorf("%v: %s in the table, want %s", l, row[cache], point(want))
			}
		}
	}
}
