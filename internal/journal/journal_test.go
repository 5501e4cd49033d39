package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("sizes are stated for 64 bits")
	}
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"a record", unsafe.Sizeof(Record{}), 24},
		{"a record with an extra", unsafe.Sizeof(extended{}), 56},
		{"a chunk", Size * unsafe.Sizeof(Record{}), 3 << 10},
		{"a journal", unsafe.Sizeof(Journal{}), 64},
	} {
		if c.got != c.want {
			t.Errorf("%s takes %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

// things are what words and keys refer to. They are not on the heap, and so nothing need keep them.
var things [1 << 16]byte

func thing(i int) unsafe.Pointer { return unsafe.Pointer(&things[i%len(things)]) }

// A written record is what a model has of one.
type written struct {
	word, ref unsafe.Pointer // word is nil once it was cleared
	bits      uint64
	extra     Extra
	born      uint32 // the number that Begin was told before
}

// A model is a journal and what is to be in it.
type model struct {
	Journal
	records []written // by place
	holes   int
	number  uint32
	made    int // so far
}

// fresh returns another record.
func (m *model) fresh() written {
	m.made++
	r := written{word: thing(3 * m.made), bits: uint64(m.made) << 20, born: m.number}
	if m.made%3 > 0 {
		r.ref = thing(3*m.made + 1)
	}
	if m.Extended {
		r.extra = Extra{Strong: thing(3*m.made + 2)}
		if m.made%2 > 0 {
			r.extra.Ticket = thing(7 * m.made)
		}
	}
	return r
}

// copied returns a copy, which changes to m do not change unless in chunks that both have.
func (m *model) copied() model {
	c := *m
	c.records = slices.Clone(m.records)
	return c
}

func (m *model) append(t *testing.T) {
	r := m.fresh()
	pos := m.Append(r.word, r.ref, r.bits)
	if int(pos) != len(m.records) {
		t.Fatalf("Append gives out place %d, want %d", pos, len(m.records))
	}
	if m.Extended {
		if x := m.ExtraAt(pos); *x != (Extra{}) {
			t.Fatalf("the extra of a new record is %v", *x)
		}
		*m.ExtraAt(pos) = r.extra
	}
	m.records = append(m.records, r)
}

// some returns the place of a record that is there, or false.
func (m *model) some(random *rand.Rand) (pos uint32, ok bool) {
	for range 20 {
		if len(m.records) > 0 {
			if pos := random.IntN(len(m.records)); m.records[pos].word != nil {
				return uint32(pos), true
			}
		}
	}
	return 0, false
}

func (m *model) replace(t *testing.T, pos uint32) {
	m.Own(pos)
	r, old := m.fresh(), m.records[pos]
	if got := m.Replace(pos, r.word, r.ref, r.extra); got != old.extra {
		t.Fatalf("Replace returns the extra %v, want %v", got, old.extra)
	}
	if r.ref == nil { // Then the old one stays.
		r.ref = old.ref
	}
	r.bits, r.born = old.bits, old.born
	m.records[pos] = r
}

func (m *model) clear(t *testing.T, pos uint32) {
	m.Own(pos)
	if got := m.Clear(pos); got != m.records[pos].extra {
		t.Fatalf("Clear returns the extra %v, want %v", got, m.records[pos].extra)
	}
	m.records[pos] = written{bits: m.records[pos].bits, born: m.records[pos].born}
	m.holes++
}

func (m *model) used() int { return len(m.records) - m.holes }

// compact has those stay of which keep says so.
func (m *model) compact(t *testing.T, keep func(pos uint32) bool) {
	var stay []written
	var from []uint32
	for pos, r := range m.records {
		if r.word != nil && keep(uint32(pos)) {
			stay, from = append(stay, r), append(from, uint32(pos))
		}
	}
	asked, moved := 0, 0
	m.Compact(m.used(), func(r *Record, pos uint32) bool {
		asked++
		if r.Word() != m.records[pos].word {
			t.Fatalf("Compact asks for the record at place %d and shows another", pos)
		}
		return keep(pos)
	}, func(r *Record, pos, to uint32) {
		if moved >= len(from) || from[moved] != pos || int(to) != moved || r.Word() != m.records[pos].word {
			t.Fatalf("Compact moves the record at place %d to %d", pos, to)
		}
		moved++
	})
	if asked != m.used() || moved != len(stay) {
		t.Fatalf("Compact has asked for %d records and moved %d, want %d and %d", asked, moved, m.used(), len(stay))
	}
	m.records, m.holes = stay, 0
}

// check compares j, which is m's or a copy, with the model.
func (m *model) check(j *Journal) error {
	if int(j.End()) != len(m.records) || j.Holes() != m.holes {
		return fmt.Errorf("End %d and Holes %d, want %d and %d", j.End(), j.Holes(), len(m.records), m.holes)
	}
	if j.Sparse(m.used()) != (m.holes > m.used()+sparseFloor) {
		return fmt.Errorf("Sparse = %t with %d records and %d holes", j.Sparse(m.used()), m.used(), m.holes)
	}
	places := 0
	for i := range len(j.chunks) + 1 {
		places += j.Chunk(i).Len()
	}
	if places != len(m.records) {
		return fmt.Errorf("the chunks have %d places, want %d", places, len(m.records))
	}
	next := 0
	yielded := func(until int) bool { // whether there is nothing from next on
		for ; next < until; next++ {
			if m.records[next].word != nil {
				return false
			}
		}
		return true
	}
	for r, pos := range j.Records {
		if !yielded(int(pos)) || int(pos) >= len(m.records) || r != j.At(pos) {
			return fmt.Errorf("Records yields place %d when place %d is to come", pos, next)
		}
		next++
	}
	if !yielded(len(m.records)) {
		return fmt.Errorf("Records does not yield place %d", next)
	}
	for pos, want := range m.records {
		r := j.At(uint32(pos))
		if r != j.Chunk(pos/Size).At(pos%Size) {
			return fmt.Errorf("place %d is at two addresses", pos)
		}
		if r.Word() != want.word || r.Ref() != want.ref || r.Bits() != want.bits {
			return fmt.Errorf("place %d has %p, %p, %x, want %p, %p, %x", pos, r.Word(), r.Ref(), r.Bits(), want.word, want.ref, want.bits)
		}
		if j.Extended && *j.ExtraAt(uint32(pos)) != want.extra {
			return fmt.Errorf("place %d has the extra %v, want %v", pos, *j.ExtraAt(uint32(pos)), want.extra)
		}
		if want.word != nil && j.First() > uint32(pos) {
			return fmt.Errorf("First is %d, and at %d is a record", j.First(), pos)
		}
		if young := want.born == m.number; j.Young(uint32(pos)) != young {
			return fmt.Errorf("Young(%d) = %t, and it was made at %d, now it is %d", pos, !young, want.born, m.number)
		}
	}
	return nil
}

// checkBefore checks what Before leaves of a copy. Epochs are known of the last two numbers.
func (m *model) checkBefore(number uint32) error {
	j := m.Journal
	j.Before(number)
	known := number == m.number || number == m.epochs[1].number
	for pos, r := range m.records {
		if early, in := int32(r.born-number) < 0, uint32(pos) < j.End(); early && !in || known && in && !early {
			return fmt.Errorf("Before(%d) leaves %d places, and place %d is of %d", number, j.End(), pos, r.born)
		}
	}
	places := 0
	for i := range len(j.chunks) {
		places += j.Chunk(i).Len()
	}
	if places != int(j.End()) {
		return fmt.Errorf("Before(%d) leaves %d places, %d of them in chunks", number, j.End(), places)
	}
	return nil
}

func TestJournalsDoAsTheModelSays(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 6
	}
	for _, extended := range []bool{false, true} {
		for seed := range seeds {
			random := rand.New(rand.NewPCG(seed, 0))
			// Numbers wrap in some runs. They are not 0 after that of a journal's making.
			m := &model{Journal: Journal{Extended: extended}, number: uint32(seed%2) * (1<<32 - 3)}
			m.Begin(m.number - 1)
			m.Begin(m.number)
			var copies []model
			// Those that a change leaves behind are as they were then.
			leave := func(change func()) {
				copies = append(copies, m.copied())
				change()
			}
			for step := range 2000 {
				switch what := random.IntN(100); {
				case what < 45+step/200%2*20:
					m.append(t)
				case what < 80:
					if pos, ok := m.some(random); ok {
						m.clear(t, pos)
					}
				case what < 90:
					if pos, ok := m.some(random); ok {
						m.replace(t, pos)
					}
				case what < 96:
					m.number += random.Uint32N(3)
					m.Begin(m.number)
				case what < 97 && step%3 == 0:
					leave(func() { m.compact(t, func(pos uint32) bool { return pos%9 != 8 }) })
				case what < 98 && m.Sparse(m.used()):
					leave(func() { m.compact(t, func(uint32) bool { return true }) })
				case what < 99:
					leave(m.Renew)
				default:
					leave(m.Share)
				}
				if step%20 == 0 {
					if err := m.check(&m.Journal); err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
					for number := m.number - 4; number != m.number+2; number++ {
						if err := m.checkBefore(number); err != nil {
							t.Fatalf("seed %d, step %d: %v", seed, step, err)
						}
					}
				}
			}
			if len(copies) == 0 {
				t.Fatalf("seed %d makes no copies", seed)
			}
			for i := range copies {
				if err := copies[i].check(&copies[i].Journal); err != nil {
					t.Fatalf("seed %d, copy %d of %d: %v", seed, i, len(copies), err)
				}
			}
		}
	}
}

// rooms are the sizes that a first chunk has one after the other.
var rooms = []int{1, 4, 12, 36, 108, Size}

func roomFor(n int) int {
	for _, room := range rooms {
		if n <= room {
			return room
		}
	}
	return Size
}

// A chunk that is too small is found by the race detector, and otherwise by what it overwrites.
func TestTheFirstChunkGrowsThroughEverySize(t *testing.T) {
	for _, extended := range []bool{false, true} {
		m := &model{Journal: Journal{Extended: extended}}
		for n := 1; n <= 3*Size; n++ {
			old := m.copied()
			m.append(t)
			if int(m.room) != roomFor(n) || len(m.chunks) != (n+Size-1)/Size {
				t.Fatalf("%d records have %d chunks and room for %d in the first, want room for %d", n, len(m.chunks), m.room, roomFor(n))
			}
			if err := m.check(&m.Journal); err != nil {
				t.Fatalf("%d records: %v", n, err)
			}
			if n > 1 && old.chunks[0] != m.chunks[0] { // It grew. The copy is as it was, whatever comes.
				if old.Journal.Shares(&m.Journal, 0) {
					t.Errorf("a chunk of %d is shared by one of %d", old.room, m.room)
				}
				m.replace(t, 0)
				if err := old.check(&old.Journal); err != nil {
					t.Errorf("a copy of %d records: %v", n-1, err)
				}
			} else if n > 1 && !old.Journal.Shares(&m.Journal, 0) {
				t.Errorf("the first of %d records is not where it was", n)
			}
		}
	}
}

// What reads a snapshot without lock must not meet a chunk that comes instead of another.
func TestASnapshotKeepsItsChunks(t *testing.T) {
	for _, n := range []uint32{1, Size, 3 * Size} {
		m := &model{}
		for range n {
			m.append(t)
		}
		m.Share()
		snapshot := m.Snapshot()
		if !m.Own(n - 1) {
			t.Errorf("%d records: a shared chunk is not copied", n)
		}
		if m.Own(n - 1) {
			t.Errorf("%d records: a chunk is copied twice", n)
		}
		if snapshot.Shares(&m.Journal, n-1) {
			t.Errorf("%d records: a snapshot has a chunk that was made after it", n)
		}
		if n > Size && !snapshot.Shares(&m.Journal, 0) {
			t.Errorf("%d records: a chunk was copied of which no record was changed", n)
		}
	}
}

// A list of one chunk is not copied for a snapshot. Where a pointer has four bytes, and a shared list has
// room behind its last, this fails.
func TestASnapshotOfOneChunkKeepsItWhenOthersFollow(t *testing.T) {
	m := &model{}
	for range Size {
		m.append(t)
	}
	m.Share()
	snapshot := m.Snapshot()
	m.append(t)
	if m.Own(0); snapshot.Shares(&m.Journal, 0) {
		t.Error("a snapshot has a chunk that was made after it")
	}
}

func TestACompactedJournalHasRoomForWhatStays(t *testing.T) {
	for _, extended := range []bool{false, true} {
		for _, stay := range []int{0, 1, 2, 4, 5, 12, 13, 36, 37, 108, 109, 128, 129, 300} {
			m := &model{Journal: Journal{Extended: extended}}
			for range stay + 300 {
				m.append(t)
			}
			for pos := range uint32(300) {
				m.clear(t, pos)
			}
			m.compact(t, func(uint32) bool { return true })
			if len(m.chunks) != (stay+Size-1)/Size || stay > 0 && int(m.room) != roomFor(stay) {
				t.Errorf("%d records have %d chunks and room for %d in the first", stay, len(m.chunks), m.room)
			}
			for range 2 * Size { // It grows on.
				m.append(t)
			}
			if err := m.check(&m.Journal); err != nil {
				t.Errorf("%d that stay: %v", stay, err)
			}
		}
	}
}

// Removals in the order of insertion pass each place once, those in the opposite order too.
func TestFirstGoesWithTheOldest(t *testing.T) {
	m := &model{}
	for range 3 * Size {
		m.append(t)
	}
	m.clear(t, 1)
	if m.First() != 0 {
		t.Errorf("First is %d while the oldest is there", m.First())
	}
	if m.clear(t, 0); m.First() != 2 {
		t.Errorf("First is %d when places 0 and 1 are holes, want 2", m.First())
	}
	for pos := uint32(3*Size - 1); pos >= 2; pos-- {
		m.clear(t, pos)
	}
	if m.First() != m.End() {
		t.Errorf("First is %d when there are holes only, want %d", m.First(), m.End())
	}
}
