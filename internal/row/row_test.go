package row

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestABucketIsAsThePackageCommentSays(t *testing.T) {
	if ptrSize != 8 {
		t.Skip("sizes are stated for 64 bits")
	}
	var h Head
	var b Bucket
	for _, c := range []struct {
		name                     string
		at, size, wantAt, wanted uintptr
	}{
		{"word", unsafe.Offsetof(b.slots[0].word), unsafe.Sizeof(b.slots[0].word), 0, 8},
		{"key", unsafe.Offsetof(b.slots[0].key), unsafe.Sizeof(b.slots[0].key), 8, 8},
		{"a bucket", 0, unsafe.Sizeof(b), 0, 112},
		{"tags", unsafe.Offsetof(h.tags), unsafe.Sizeof(h.tags), 0, 8},
		{"version", unsafe.Offsetof(h.version), unsafe.Sizeof(h.version), 8, 4},
		{"marks", unsafe.Offsetof(h.marks), unsafe.Sizeof(h.marks), 12, 4},
		{"checks", unsafe.Offsetof(h.checks), unsafe.Sizeof(h.checks), 16, 16},
		{"a head", 0, unsafe.Sizeof(h), 0, 32},
		{"places", 0, unsafe.Sizeof(places{}), 0, 28},
	} {
		if c.at != c.wantAt || c.size != c.wanted {
			t.Errorf("%s: %d bytes at %d, want %d at %d", c.name, c.size, c.at, c.wanted, c.wantAt)
		}
	}
}

// Lookups count on it that no slot and no head lies across two cache lines.
func TestSlotsAndHeadsAreInOneCacheLineEach(t *testing.T) {
	if ptrSize != 8 {
		t.Skip("sizes are stated for 64 bits")
	}
	for _, n := range []int{1, 2, 4, 8, 10, 12, 14, 16, 20, 24, 28, 40, 320, 1024, 1280} {
		r := Make(n, 1)
		if uintptr(unsafe.Pointer(r.At(0)))%16 != 0 || n > 1 && uintptr(unsafe.Pointer(r.Head(0)))%32 != 0 {
			t.Errorf("the first of %d buckets is at %p, its head at %p", n, r.At(0), r.Head(0))
		}
	}
}

// referents are what words refer to. They are not on the heap, and so nothing need keep them.
var referents [1 << 16]byte

// findWord returns the first slot with hash h that has the word.
func findWord(r *Row, h uint32, word unsafe.Pointer) (b *Bucket, k uintptr, ok bool) {
	return r.Find(h, func(b *Bucket, k uintptr) bool { return b.Word(k) == word })
}

// A listed binding is one of a model.
type listed struct {
	hash uint32
	Binding
}

// A model is a row and what is to be in it.
type model struct {
	row      Row
	bindings []listed
	count    []int    // by shard
	versions []uint32 // by bucket: how many were removed
	next     uint32   // the next binding's Pos
}

func newModel(buckets, shards int) *model {
	return &model{row: Make(buckets, shards), count: make([]int, shards), versions: make([]uint32, buckets)}
}

func (m *model) insert(h uint32) {
	m.next++
	n := listed{h, Binding{
		Word:  unsafe.Pointer(&referents[m.next%uint32(len(referents))]),
		Key:   uintptr(m.next) * 77,
		Check: uint16(m.next * 31),
		Pos:   m.next,
		Marks: m.next % 4,
	}}
	m.row.Insert(h, n.Binding)
	m.bindings = append(m.bindings, n)
	m.count[m.row.Shard(h)]++
}

// find returns the slot of a binding.
func (m *model) find(n listed) (b *Bucket, k uintptr, ok bool) {
	return m.row.Find(n.hash, func(b *Bucket, k uintptr) bool { return m.row.Pos(b, k) == n.Pos })
}

func (m *model) remove(i int) bool {
	n := m.bindings[i]
	b, k, ok := m.find(n)
	if !ok {
		return false
	}
	m.row.Remove(n.hash, b, k)
	number := (uintptr(unsafe.Pointer(b)) - uintptr(m.row.base)) / unsafe.Sizeof(*b)
	m.versions[number]++
	m.bindings[i] = m.bindings[len(m.bindings)-1]
	m.bindings = m.bindings[:len(m.bindings)-1]
	m.count[m.row.Shard(n.hash)]--
	return true
}

// check compares row, which is m's or has the same bindings, with the model.
func (m *model) check(row Row, placed bool) error {
	passed := make(map[*Bucket]int)
	for _, n := range m.bindings {
		b, k, ok := row.Find(n.hash, func(b *Bucket, k uintptr) bool { return row.Pos(b, k) == n.Pos })
		switch {
		case !ok:
			return fmt.Errorf("the binding of %x at place %d is not found", n.hash, n.Pos)
		case b.Word(k) != n.Word || b.Key(k) != n.Key || uintptr(b.KeyAt(k)) != n.Key || row.HeadOf(b).Check(k) != n.Check:
			return fmt.Errorf("the slot of %x has %p, %d, %d, want %p, %d, %d", n.hash, b.Word(k), b.Key(k), row.HeadOf(b).Check(k), n.Word, n.Key, n.Check)
		case row.HeadOf(b).Tags()>>(8*k)&0xff != Tag(n.hash)&0xff:
			return fmt.Errorf("the tags of %x are %x in slot %d", n.hash, row.HeadOf(b).Tags(), k)
		case !row.Has(b):
			return fmt.Errorf("bucket %p is not one of the row", b)
		case row.HeadOf(b).Marks(k) != n.Marks:
			return fmt.Errorf("a new binding has marks %x, want %x", row.HeadOf(b).Marks(k), n.Marks)
		}
		if w, at, _ := findWord(&row, n.hash, n.Word); w == nil || w.Word(at) != n.Word {
			return fmt.Errorf("the word of %x is not found", n.hash)
		}
		for i := row.Home(n.hash); row.At(i) != b; i = row.After(n.hash, i) {
			passed[row.At(i)]++
		}
	}
	present := 0
	for i := range row.Len() {
		b, head := row.At(uint32(i)), row.Head(uint32(i))
		for k := range uintptr(Slots) {
			tag, word := head.Tags()>>(8*k)&0xff, b.Word(k)
			if (tag == 0) != (word == nil) || tag == 0 && b.Key(k) != 0 {
				return fmt.Errorf("slot %d of bucket %d has tag %x, word %p and key %d", k, i, tag, word, b.Key(k))
			}
			if word != nil {
				present++
			}
		}
		if n, exact := PassedBy(head.Tags()); exact && n != passed[b] || passed[b] > 0 && !Passed(head.Tags()) {
			return fmt.Errorf("bucket %d counts %d that passed it, and %d did", i, n, passed[b])
		}
		if !placed && head.Version() != m.versions[i] {
			return fmt.Errorf("bucket %d has version %d after %d removals", i, head.Version(), m.versions[i])
		}
	}
	if present != len(m.bindings) {
		return fmt.Errorf("%d bindings are in slots, want %d", present, len(m.bindings))
	}
	return nil
}

func TestRowsDoAsTheModelSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, hash := range map[string]func() uint32{
		"random":    random.Uint32,
		"one":       func() uint32 { return 0xab000005 },
		"four":      func() uint32 { return random.Uint32N(4) * 0x01000001 },
		"one tag":   func() uint32 { return random.Uint32() &^ 0xff },
		"one place": func() uint32 { return random.Uint32() & 0xff },
	} {
		for _, size := range []struct{ buckets, shards int }{{1, 1}, {2, 1}, {10, 1}, {16, 4}, {96, 2}} {
			t.Run(fmt.Sprintf("%s/%d in %d", name, size.buckets, size.shards), func(t *testing.T) {
				m := newModel(size.buckets, size.shards)
				for step := range 3000 {
					h := hash()
					// Times at which the row fills up take turns with others at which it empties.
					fills := random.IntN(8) < 2+step/500%2*4
					switch {
					case fills && m.count[m.row.Shard(h)] < m.row.Limit():
						m.insert(h)
					case len(m.bindings) > 0:
						if i := random.IntN(len(m.bindings)); !m.remove(i) {
							t.Fatalf("step %d: binding %d is not found", step, i)
						}
					}
					if step%100 == 0 {
						if err := m.check(m.row, false); err != nil {
							t.Fatalf("step %d: %v", step, err)
						}
					}
				}
				for m.count[0] < m.row.Limit() {
					m.insert(hash() / uint32(size.shards))
				}
				if err := m.check(m.row, false); err != nil {
					t.Fatalf("a full shard: %v", err)
				}
				placed := Make(size.buckets, size.shards)
				for _, n := range m.bindings {
					placed.Place(n.hash, n.Binding)
				}
				if err := m.check(placed, true); err != nil {
					t.Errorf("placed: %v", err)
				}
				for len(m.bindings) > 0 {
					if !m.remove(0) {
						t.Fatal("a binding is not found")
					}
				}
				if err := m.check(m.row, false); err != nil {
					t.Errorf("emptied: %v", err)
				}
			})
		}
	}
}

// Lookups read the line of the slot that a hash points at together with the head.
func TestMostBindingsAreInTheLineThatTheirHashPointsAt(t *testing.T) {
	for _, buckets := range []int{1, 10, 1280, 3 << 10} {
		r := Make(buckets, 1)
		for _, h := range []uint32{0, 1, 1 << 31, 1<<32 - 1, rand.Uint32(), rand.Uint32()} {
			within := uintptr(r.aimed(h)) - uintptr(unsafe.Pointer(r.At(r.Home(h))))
			if within >= bucketSize || within%slotSize != 0 {
				t.Errorf("in %d buckets %x points %d bytes behind the start of its home", buckets, h, int(within))
			}
		}
	}
	for name, insert := range map[string]func(*Row, uint32, Binding){
		"Insert": func(r *Row, h uint32, n Binding) { r.Insert(h, n) },
		"Place":  (*Row).Place,
	} {
		r := Make(1<<13, 1)
		var hashes []uint32
		for _, c := range []struct{ full, wanted float64 }{{2. / 3, 0.9}, {1, 0.79}} {
			for n := int(float64(r.Limit()) * c.full); len(hashes) < n; {
				h := rand.Uint32()
				insert(&r, h, Binding{Word: unsafe.Pointer(&referents[0]), Pos: uint32(len(hashes))})
				hashes = append(hashes, h)
			}
			there := 0
			for pos, h := range hashes {
				b, k, _ := r.Find(h, func(b *Bucket, k uintptr) bool { return r.Pos(b, k) == uint32(pos) })
				if uintptr(r.aimed(h))/lineSize == uintptr(b.at(k))/lineSize {
					there++
				}
			}
			if got := float64(there) / float64(len(hashes)); got < c.wanted {
				t.Errorf("%s: when the row has %.2f of its limit, %.3f of the bindings are where their hashes point, want %.2f", name, c.full, got, c.wanted)
			}
		}
	}
}

// A count of passed that has reached 255 stays: how many there were is not known any more.
func TestCountsOfPassedStayAt255(t *testing.T) {
	for _, insert := range []struct {
		name string
		do   func(r *Row, n Binding)
	}{
		{"Insert", func(r *Row, n Binding) { r.Insert(0, n) }},
		{"Place", func(r *Row, n Binding) { r.Place(0, n) }},
	} {
		r := Make(128, 1)
		count := func() int { n, _ := PassedBy(r.Tags(0)); return n }
		for i := range r.Limit() {
			insert.do(&r, Binding{Word: unsafe.Pointer(&referents[i]), Pos: uint32(i)})
			if want := min(max(i+1-Slots, 0), 255); count() != want {
				t.Fatalf("%s: the first bucket counts %d after %d bindings, want %d", insert.name, count(), i+1, want)
			}
		}
		if r.Limit() < 255+2*Slots {
			t.Fatalf("%d bindings do not pass a bucket too often", r.Limit())
		}
		if _, exact := PassedBy(r.Tags(0)); exact {
			t.Errorf("%s: a count of 255 is taken for exact", insert.name)
		}
		for i := range r.Limit() {
			b, k, ok := findWord(&r, 0, unsafe.Pointer(&referents[i]))
			if !ok {
				t.Fatalf("%s: binding %d is lost", insert.name, i)
			}
			r.Remove(0, b, k)
		}
		if count() != 255 || r.Tags(0)<<8 != 0 {
			t.Errorf("%s: the first bucket has tags %x when all is gone, want a count of 255 alone", insert.name, r.Tags(0))
		}
		if n, exact := PassedBy(r.Tags(100)); n != 0 || !exact {
			t.Errorf("%s: bucket 100 counts %d, %t when all is gone, want 0, true", insert.name, n, exact)
		}
		// A search ends although every bucket says that it was passed.
		for i := range r.Len() {
			r.Head(uint32(i)).tags.Store(passedMax << passedShift)
		}
		if _, _, ok := findWord(&r, 7, unsafe.Pointer(&referents)); ok {
			t.Errorf("%s: what is nowhere was found", insert.name)
		}
	}
}

func TestTags(t *testing.T) {
	for h, want := range map[uint32]uint64{0: 2, 0xffffff00: 2, 0x01: 3, 0x02: 2, 0x01000003: 3, 0xabcdefff: 0xff} {
		if got := Tag(h); got != want*lowBits {
			t.Errorf("Tag(%x) = %x, want %x in each of seven bytes", h, got, want)
		}
	}
	for range 100_000 {
		tags, tag := rand.Uint64(), Tag(rand.Uint32())
		for k := range uintptr(Slots) {
			switch tags &^= 0xff << (8 * k); rand.IntN(4) {
			case 0: // It is empty.
			case 1:
				tags |= Tag(rand.Uint32()) & (0xff << (8 * k))
			default:
				tags |= tag & (0xff << (8 * k))
			}
		}
		lowest := uintptr(Slots)
		for k := range uintptr(Slots) {
			equal := tags>>(8*k)&0xff == tag&0xff
			if match := Matching(tags, tag); equal && match>>(8*k)&0x80 == 0 || match&^uint64(highBits) != 0 {
				t.Fatalf("Matching(%x, %x) = %x, and slot %d is like it", tags, tag, match, k)
			} else if tags>>(8*k)&0xff == 0 && match>>(8*k)&0x80 != 0 {
				t.Fatalf("Matching(%x, %x) = %x, and slot %d is empty", tags, tag, match, k)
			}
			if equal {
				lowest = min(lowest, k)
			}
		}
		// What is set by mistake stands above a true match.
		if match := Matching(tags, tag); match != 0 && SlotOf(match) != lowest || match == 0 && lowest < Slots {
			t.Fatalf("Matching(%x, %x) = %x, want slot %d first", tags, tag, match, lowest)
		}
	}
}

// Where a hash leads: to one bucket after the other as it rises, in the shard that Shard says, and a
// probe comes to all buckets of that and to no other.
func TestHomes(t *testing.T) {
	for _, size := range []struct{ buckets, shards int }{{0, 1}, {1, 1}, {2, 1}, {10, 1}, {14, 2}, {40, 4}, {96, 8}, {1280, 64}} {
		r := Make(size.buckets, size.shards)
		homes := make(map[uint32]int)
		last := uint32(0)
		for i := range uint32(1 << 16) {
			h := i<<16 | i
			home := r.Home(h)
			if homes[home]++; home < last {
				t.Fatalf("%v: hash %x leads to bucket %d, a smaller one to %d", size, h, home, last)
			}
			last = home
			shard := r.Shard(h)
			if r.Len() > 0 && r.ShardOf(home) != shard || ShardIn(size.shards, h) != shard {
				t.Fatalf("%v: bucket %d of hash %x is in shard %d, want %d and %d", size, home, h, r.ShardOf(home), shard, ShardIn(size.shards, h))
			}
			if i%1021 != 0 || r.Len() == 0 {
				continue
			}
			seen := map[uint32]bool{home: true}
			for n, end := r.Next(h, home, passedUnit); !end; n, end = r.Next(h, n, passedUnit) {
				if first, after := r.Buckets(shard); n < first || n >= after || seen[n] {
					t.Fatalf("%v: a probe of hash %x comes to bucket %d, of shard %d, or comes again", size, h, n, r.ShardOf(n))
				}
				seen[n] = true
			}
			if len(seen) != size.buckets/size.shards {
				t.Fatalf("%v: a probe of hash %x comes to %d buckets of %d", size, h, len(seen), size.buckets/size.shards)
			}
		}
		if want := max(size.buckets, 1); len(homes) != want {
			t.Errorf("%v: hashes lead to %d buckets", size, len(homes))
		}
		for i, n := range homes {
			if want := 1 << 16 / max(size.buckets, 1); n < want || n > want+1 {
				t.Errorf("%v: %d of 65536 hashes lead to bucket %d, want %d or one more", size, n, i, want)
			}
		}
	}
}

func TestARowThatTakesNothing(t *testing.T) {
	r := Make(0, 1)
	if r.Len() != 0 || r.Shards() != 1 || r.Limit() != 0 || r.Shard(12345) != 0 {
		t.Errorf("Len %d, Shards %d, Limit %d, Shard %d; want 0, 1, 0, 0", r.Len(), r.Shards(), r.Limit(), r.Shard(12345))
	}
	if _, _, ok := r.Find(0, func(*Bucket, uintptr) bool { return true }); ok || r.Tags(r.Home(77)) != 0 {
		t.Error("something is in a row of no buckets")
	}
	if one := Make(1, 1); one.Has(r.At(0)) || !one.Has(one.At(0)) {
		t.Error("a row has another's bucket, or not its own")
	}
	for buckets, want := range map[int]int{0: 0, 1: 5, 2: 11, 8: 45, 128: 728} {
		if got := LimitOf(buckets); got != want {
			t.Errorf("LimitOf(%d) = %d, want %d", buckets, got, want)
		}
	}
}

// What is done to one slot of a bucket changes no other.
func TestMarksAndLensAreEachSlotsOwn(t *testing.T) {
	var head Head
	var marks [Slots]uint32
	var checks [Slots]uint16
	for range 20_000 {
		k := rand.UintN(Slots)
		mark, n := []uint32{Idle, Cold, Idle | Cold}[rand.IntN(3)], uint16(rand.Uint32())
		switch rand.IntN(3) {
		case 0:
			head.Use(uintptr(k))
			marks[k] = 0
		case 1:
			head.Mark(uintptr(k), mark)
			marks[k] |= mark
		case 2:
			head.setCheck(uintptr(k), n)
			checks[k] = n
		}
		for k := range uintptr(Slots) {
			if head.Marks(k) != marks[k] || MarksOf(head.AllMarks(), k) != marks[k] || head.Check(k) != checks[k] {
				t.Fatalf("slot %d has marks %x and %d, want %x and %d", k, head.Marks(k), head.Check(k), marks[k], checks[k])
			}
		}
	}
	r := Make(1, 1)
	for k := range uintptr(Slots) {
		r.Head(0).Mark(k, Idle|Cold)
	}
	for i, want := range []uint32{0, Idle, Cold} {
		if r.Insert(0, Binding{Word: unsafe.Pointer(&referents), Marks: want}); r.Head(0).Marks(uintptr(i)) != want {
			t.Errorf("a new binding has marks %x, want %x", r.Head(0).Marks(uintptr(i)), want)
		}
	}
}

// Uses and marks of one bucket's slots come from many goroutines without a lock.
func TestMarksBesideEachOther(t *testing.T) {
	var head Head
	var wg sync.WaitGroup
	var lost atomic.Int64
	for k := range uintptr(Slots) {
		wg.Go(func() {
			for i := range uint32(20_000) {
				mark := i%3 + 1
				if head.Mark(k, mark); head.Marks(k) != mark {
					lost.Add(1)
				}
				if head.Use(k); head.Marks(k) != 0 {
					lost.Add(1)
				}
			}
		})
	}
	if wg.Wait(); lost.Load() > 0 {
		t.Errorf("%d times marks were not what the only one who changes them made them", lost.Load())
	}
}

// What a reader finds in a slot between two equal versions is one binding's. One writer fills and
// empties the slots of a bucket, always with other bindings of one tag. The tag is that of the
// hash 0, under which an empty slot was once taken for a match while it was being filled. That, a
// version that does not rise and a tag that is stored before its slot is filled are each found in 20
// of 20 short runs on two busy processors, a version that rises before the tag is cleared in 13.
func TestAReaderTrustsOneBindingOnly(t *testing.T) {
	rounds := uint32(2_000_000)
	if testing.Short() {
		rounds /= 2
	}
	r := Make(1, 1)
	var stop atomic.Bool
	var wg sync.WaitGroup
	var trusted, torn atomic.Int64
	for range max(runtime.GOMAXPROCS(0)-1, 1) {
		wg.Go(func() {
			b, head := r.At(0), r.Head(0)
			for pause := 0; !stop.Load(); pause++ {
				version := head.Version()
				m := Matching(head.Tags(), Tag(0))
				for range pause % 32 { // Time for a slot to be filled again.
					head.Tags()
				}
				for ; m != 0; m &= m - 1 {
					k := SlotOf(m)
					n, key, word := head.Check(k), b.Key(k), b.Word(k)
					if head.Version() != version {
						break
					}
					trusted.Add(1)
					if i := uintptr(word) - uintptr(unsafe.Pointer(&referents)); key != i || n != uint16(i) {
						torn.Add(1)
					}
				}
			}
		})
	}
	for i := range rounds {
		at := (i + 1) % uint32(len(referents))
		if at == 0 {
			continue
		}
		word := unsafe.Pointer(&referents[at])
		r.Insert(0, Binding{Word: word, Key: uintptr(at), Check: uint16(at), Pos: i})
		if i >= 1 { // One is there all the time, and its slot is filled again at once.
			b, k, ok := r.Find(0, func(b *Bucket, k uintptr) bool { return r.Pos(b, k) < i })
			if ok {
				r.Remove(0, b, k)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	if torn.Load() > 0 || trusted.Load() == 0 {
		t.Errorf("of %d bindings that were trusted %d were of two", trusted.Load(), torn.Load())
	}
}
