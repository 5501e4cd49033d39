package weakmap

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
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
	defer reaper.hold()() // A pass would keep what it asks while the collector marks.
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

// slotOf returns the slot of a key in a table of one bucket, or in the first bucket that has it.
func slotOf(l *layout, key int) (b *row.Bucket, at uintptr) {
	b, at, ok := l.Find(hashWord(uintptr(key)), func(b *row.Bucket, at uintptr) bool { return b.Key(at) == uintptr(key) })
	if !ok {
		return nil, 0
	}
	return b, at
}

// A lookup that has read a slot notes the use when the binding is gone, and the slot is another's, which has
// let go of its referent. A hit knows by a mark that it must hold that again.
func TestALateUseLeavesWhatIsNotHeldMarked(t *testing.T) {
	defer reaper.hold()()
	for name, late := range map[string]func(t *table, b *row.Bucket, at uintptr, word, v unsafe.Pointer){
		"in the layout in use": func(t *table, b *row.Bucket, at uintptr, word, v unsafe.Pointer) {
			t.use(b, t.layout.Load().HeadOf(b), at, word, v, key{n: 1})
		},
		"before another layout": func(t *table, b *row.Bucket, at uintptr, word, v unsafe.Pointer) {
			l := t.layout.Load()
			l.HeadOf(b).Use(at)
			t.growth.Lock()
			t.lockAll(l)
			t.relayout(l, 16, allStays)
			t.unlockAll(l)
			t.growth.Unlock()
		},
	} {
		var gone, other, last thing
		m := &Map[int, thing]{Config: Config{Shards: 1, RetainMax: 1}}
		m.Store(1, &gone)
		table := m.core.table.Load()
		b, at := slotOf(table.layout.Load(), 1)
		word := b.Word(at)
		m.Delete(1)
		taker := 2
		for ; ; taker++ { // Which slot a key takes depends on its hash.
			m.Store(taker, &other)
			if _, slot := slotOf(table.layout.Load(), taker); slot == at {
				break
			}
			m.Delete(taker)
		}
		m.Store(0, &last)
		if w := b.Word(at); w == nil || held(w) {
			t.Fatalf("%s: key %d is bound: %t, and held", name, taker, w != nil)
		}
		late(table, b, at, word, unsafe.Pointer(&gone))
		if v, _ := m.Load(taker); v != &other {
			t.Errorf("%s: a lookup finds %p, want %p", name, v, &other)
		}
		if b, at := slotOf(table.layout.Load(), taker); !held(b.Word(at)) {
			t.Errorf("%s: what was used after it was let go is not held", name)
		}
		runtime.KeepAlive(&gone)
		runtime.KeepAlive(&last)
	}
}

// A slot that was emptied before its use was noted names a place that is out of use.
func TestALateUseOfAnEmptiedSlotIsNotCarried(t *testing.T) {
	defer reaper.hold()()
	m := &Map[int, thing]{Config: Config{Shards: 1, RetainMax: 1}}
	var values [2]thing
	m.Store(1, &values[0])
	m.Store(2, &values[1]) // so that key 1 is let go, and marked
	table := m.core.table.Load()
	l := table.layout.Load()
	b, at := slotOf(l, 1)
	m.Delete(1)
	head := l.HeadOf(b)
	if b.Word(at) != nil || head.Marks(at) == 0 {
		t.Fatal("the slot of the key that was deleted is not empty, or has no mark")
	}
	l.SetPos(b, at, 1<<20)
	table.growth.Lock()
	defer table.growth.Unlock()
	table.lockAll(l)
	defer table.unlockAll(l)
	saved := table.saveMarks(l)
	head.Use(at)
	table.carryUses(l, l, saved)
	if n := m.Stats().Retained; n != 1 {
		t.Errorf("%d are held, want one", n)
	}
	runtime.KeepAlive(&values)
}

// The use of a binding whose layout was replaced before it was noted is noted in the next, also with a Hasher,
// where a lookup goes by the word of the key.
func TestALateUseIsNotedInTheNextLayout(t *testing.T) {
	defer reaper.hold()()
	for name, h := range map[string]Hasher[*int]{"by identity": nil, "by equality": Comparable[int]()} {
		m := &KeyMap[int, int]{Config: Config{Shards: 1, Retain: 2}, Hasher: h}
		object := new(int)
		m.Store(object, 1)
		table := m.core.table.Load()
		l := table.layout.Load()
		k := table.keyOfObject(unsafe.Pointer(object))
		hash := table.hash(&l.hashing, k)
		only := func(*row.Bucket, uintptr) bool { return true }
		b, at, _ := l.Find(hash, only)
		head := l.HeadOf(b)
		head.Mark(at, row.Idle) // A pass came by.
		word, found, _ := table.match(b, head, at, head.Version(), k, hash)
		table.growth.Lock()
		table.lockAll(l)
		table.relayout(l, 16, allStays)
		table.unlockAll(l)
		table.growth.Unlock()
		table.use(b, head, at, word, found.referent, k)
		next := table.layout.Load()
		if b, at, _ := next.Find(hash, only); next.HeadOf(b).Marks(at) != 0 {
			t.Errorf("%s: what was used counts as unused", name)
		}
		runtime.KeepAlive(object)
	}
}

// An iteration that yields a NaN uses it, also where the table has changed meanwhile and no lookup finds it.
func TestAYieldOfANaNIsAUse(t *testing.T) {
	defer reaper.hold()()
	const n = 4
	for name, changes := range map[string]bool{"the table stays": false, "the table changes": true} {
		m := &Map[float64, thing]{Config: Config{Shards: 1, RetainMax: n}}
		values := make([]thing, 2*n)
		for i := range n {
			m.Store(math.NaN(), &values[i])
		}
		for i := range n { // These take their places.
			m.Store(float64(i), &values[n+i])
		}
		table := m.core.table.Load()
		met := 0
		for key := range m.All() {
			if met == 0 && changes {
				l := table.layout.Load()
				table.growth.Lock()
				table.lockAll(l)
				table.relayout(l, 16, allStays)
				table.unlockAll(l)
				table.growth.Unlock()
			}
			if met++; key != key && met == n {
				break
			}
		}
		nans := 0
		j := &table.layout.Load().shards[0].journal
		for r, pos := range j.Records {
			if key := *(*float64)(r.Ref()); key != key && j.ExtraAt(pos).Strong != nil {
				nans++
			}
		}
		if nans != n {
			t.Errorf("%s: %d of %d NaNs are held once all were yielded", name, nans, n)
		}
		runtime.KeepAlive(values)
	}
}
