package weakmap

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap/internal/journal"
)

// An s3 is the model of what a table of one shard holds: the small queue, the ghosts and the rule of
// S3-FIFO, with SIEVE for the main queue, as their authors give them.
type s3 struct {
	max         int
	small, main []int // keys, the oldest first
	hand        int   // in main
	visited     map[int]bool
	ghosts      map[*atomic.Uint32][]int // keys, by the group in which the table remembers them, the latest first
	group       func(key int) []atomic.Uint32
	evicted     int
}

func newS3(max int, group func(key int) []atomic.Uint32) *s3 {
	return &s3{max: max, visited: make(map[int]bool), ghosts: make(map[*atomic.Uint32][]int), group: group}
}

func (s *s3) holds(key int) bool {
	return slices.Contains(s.small, key) || slices.Contains(s.main, key)
}

func (s *s3) held() int { return len(s.small) + len(s.main) }

func (s *s3) leave(key int) {
	if i := slices.Index(s.small, key); i >= 0 {
		s.small = slices.Delete(s.small, i, i+1)
	}
	if i := slices.Index(s.main, key); i >= 0 {
		s.main = slices.Delete(s.main, i, i+1)
		if i < s.hand {
			s.hand--
		}
	}
	if len(s.main) == 0 {
		s.hand = 0
	}
	delete(s.visited, key)
}

func (s *s3) evict() {
	for {
		if len(s.small) >= max(s.held()/10, 1) {
			oldest := s.small[0]
			was := s.visited[oldest]
			s.leave(oldest)
			if was {
				s.main = append(s.main, oldest)
				continue
			}
			group := s.group(oldest)
			g := append([]int{oldest}, s.ghosts[&group[0]]...)
			s.ghosts[&group[0]] = g[:min(len(g), len(group))]
			break
		}
		if s.hand >= len(s.main) {
			s.hand = 0
		}
		oldest := s.main[s.hand]
		if !s.visited[oldest] {
			s.leave(oldest)
			break
		}
		s.visited[oldest] = false
		s.hand++
	}
	s.evicted++
}

func (s *s3) use(key int) {
	if s.holds(key) {
		s.visited[key] = true
		return
	}
	for s.held() >= s.max {
		s.evict()
	}
	group := s.group(key)
	if i := slices.Index(s.ghosts[&group[0]], key); i >= 0 {
		s.ghosts[&group[0]][i] = -1
		s.main = append(s.main, key)
	} else {
		s.small = append(s.small, key)
	}
}

// With one shard it is the model that says what is held, after each operation.
func TestRetainMaxIsS3FIFOWithSieve(t *testing.T) {
	type thing struct { // with a pointer: without, one of 8 bytes shares memory where an int has 32 bits
		id int
		_  *byte
	}
	defer reaper.blockPasses()() // A pass would keep what it asks while the collector marks.
	for _, max := range []int{1, 2, 10, 100} {
		m := Map[int, thing]{Config: Config{Shards: 1, RetainMax: max}}
		table := m.open()
		groups := newGhosts(max) // as the table's
		group := func(k int) []atomic.Uint32 {
			return groups.group(table.hash(&table.layout.Load().hashing, key{n: uintptr(k)}))
		}
		model := newS3(max, group)
		all := make(map[int]*thing) // Nothing dies, so what is not held is found, and held again.
		for step := range 20_000 {
			k := rand.IntN(4 * max)
			if rand.IntN(3) > 0 {
				k = int(rand.ExpFloat64() * float64(max) / 2)
			}
			switch rand.IntN(8) {
			case 0:
				all[k] = &thing{id: step}
				m.Store(k, all[k])
				model.use(k)
			case 1:
				m.Delete(k)
				delete(all, k)
				model.leave(k)
			case 2:
				if all[k] != nil {
					model.use(k) // Its comparison is a hit.
				}
				m.CompareAndDelete(k, all[k])
				delete(all, k)
				model.leave(k)
			default:
				v, _ := m.Load(k)
				if v != all[k] {
					t.Fatalf("step %d: Load(%d) = %p, want %p", step, k, v, all[k])
				}
				if v != nil {
					model.use(k)
				}
			}
			if rand.IntN(5_000) == 0 {
				m.Clear()
				evicted := model.evicted
				model = newS3(max, group)
				model.evicted = evicted
				clear(all)
			}
			if st := m.Stats(); st.Retained != model.held() || st.Evicted != uint64(model.evicted) {
				t.Fatalf("RetainMax %d, step %d: %d are held and %d were evicted, want %d and %d", max, step, st.Retained, st.Evicted, model.held(), model.evicted)
			}
		}
		// What is held is what lives on.
		handles := make(map[int]weak.Pointer[thing])
		for key, v := range all {
			handles[key] = weak.Make(v)
		}
		clear(all)
		for range 3 {
			runtime.GC()
		}
		for key, h := range handles {
			if held := model.holds(key); (h.Value() != nil) != held {
				t.Errorf("RetainMax %d: the value of %d lives: %t, want %t", max, key, !held, held)
			}
		}
		runtime.KeepAlive(&m)
	}
}

// Where the number of shards changes, what was in the main queue is there still.
func TestNewShardsKeepWhatWasUsed(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // so that there may be eight shards
	m := Map[int, int]{Config: Config{RetainMax: 128}}
	used := new(int)
	for k := range 160 {
		if k%4 == 0 {
			m.Load(k - 8)
		}
		m.Store(k, used)
	}
	table := m.core.table.Load()
	inMain := func() (n, shards int) {
		l := table.layout.Load()
		for i := range l.shards {
			j := &l.shards[i].journal
			for _, pos := range j.Records {
				if j.ExtraAt(pos).Queued&journal.ToMain != 0 {
					n++
				}
			}
		}
		return n, l.Shards()
	}
	before, few := inMain()
	table.growth.Lock()
	l := table.layout.Load()
	table.lockAll(l)
	table.relayout(l, 1<<12, allStays)
	table.unlockAll(l)
	table.growth.Unlock()
	if n, shards := inMain(); n != before || n < 2 || shards <= few {
		t.Errorf("in %d shards %d are in the main queue, and in %d %d were", shards, n, few, before)
	}
	runtime.KeepAlive(used)
}
