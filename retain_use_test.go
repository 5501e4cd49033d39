package weakmap

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap/internal/row"
)

// What becomes of uses that come late, and of those of keys that no lookup finds.

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
	defer reaper.blockPasses()()
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
	defer reaper.blockPasses()()
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
	defer reaper.blockPasses()()
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
	defer reaper.blockPasses()()
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
