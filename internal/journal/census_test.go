package journal_test

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap/internal/gctest"
	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/seam"
)

// A referent holds a pointer, so that each dies by itself.
type referent struct {
	self *referent
	_    [24]byte
}

// A population is the journals of some shards, with referents of which some are dead.
type population struct {
	journals []journal.Journal
	held     []*referent
	dead     []map[unsafe.Pointer]uint64 // by shard: their words and bits
}

// populate fills journals. Of what dies says, nothing is held.
func populate(t *testing.T, extended bool, sizes []int, dies func(i int) bool) *population {
	p := &population{journals: make([]journal.Journal, len(sizes)), dead: make([]map[unsafe.Pointer]uint64, len(sizes))}
	gctest.Elsewhere(func() {
		for s, size := range sizes {
			p.journals[s].Extended = extended
			p.dead[s] = make(map[unsafe.Pointer]uint64)
			for i := range size {
				v := new(referent)
				w := seam.Make(unsafe.Pointer(v))
				p.journals[s].Append(w, nil, uint64(i))
				if dies(i) {
					p.dead[s][w] = uint64(i)
				} else {
					p.held = append(p.held, v)
				}
			}
		}
	})
	gctest.Eventually(t, "what nobody holds is dead", func() bool {
		for _, dead := range p.dead {
			for w := range dead {
				if seam.Value(w) != nil {
					return false
				}
			}
		}
		return true
	})
	return p
}

// take takes a census, of copies.
func (p *population) take(workers int) *journal.Census {
	c := &journal.Census{Journals: append([]journal.Journal(nil), p.journals...)}
	c.Take(workers)
	return c
}

// check compares what the census says with what is dead.
func (p *population) check(c *journal.Census) error {
	for s := range p.journals {
		j, found := &p.journals[s], 0
		if j.End() > 0 && !c.Current(s, j) {
			return fmt.Errorf("shard %d has other chunks", s)
		}
		for batch := range c.Found(s) {
			if len(batch) == 0 || len(batch) > journal.Batch {
				return fmt.Errorf("a batch of %d", len(batch))
			}
			for _, d := range batch {
				if bits, ok := p.dead[s][d.Word]; !ok || bits != d.Bits {
					return fmt.Errorf("shard %d: %p with %d is found, and it is not dead", s, d.Word, d.Bits)
				}
				found++
			}
		}
		if found != len(p.dead[s]) {
			return fmt.Errorf("shard %d: %d are found, want %d", s, found, len(p.dead[s]))
		}
		for r, pos := range j.Records {
			if _, dead := p.dead[s][r.Word()]; c.Has(s, r, pos) != dead {
				return fmt.Errorf("shard %d: Has(%d) = %t", s, pos, !dead)
			}
		}
	}
	return nil
}

func TestACensusFindsTheDead(t *testing.T) {
	const many = 70 * journal.Size // More than one worker takes at a time.
	for name, c := range map[string]struct {
		sizes []int
		dies  func(i int) bool
	}{
		"none dead":        {[]int{300, 0, 5}, func(int) bool { return false }},
		"all dead":         {[]int{300, 0, 5, 1}, func(int) bool { return true }},
		"the last of each": {[]int{64, 65, 128, 129, 1000, 1024}, func(i int) bool { return i%64 == 63 }},
		"many":             {[]int{0, many, 100, many + 77}, func(i int) bool { return i%3 == 0 }},
		"few of many":      {[]int{many, many}, func(i int) bool { return i%5000 == 4999 }},
	} {
		for _, extended := range []bool{false, true} {
			for _, workers := range []int{1, 2, 5} {
				t.Run(fmt.Sprintf("%s, %d workers, extras %t", name, workers, extended), func(t *testing.T) {
					p := populate(t, extended, c.sizes, c.dies)
					want := 0
					for _, dead := range p.dead {
						want += len(dead)
					}
					census := p.take(workers)
					if census.Dead != want {
						t.Errorf("Dead = %d, want %d", census.Dead, want)
					}
					if workers == 1 && census.Helped != 0 {
						t.Errorf("one worker was helped for %v", census.Helped)
					}
					if err := p.check(census); err != nil {
						t.Error(err)
					}
					runtime.KeepAlive(p.held)
				})
			}
		}
	}
}

// What was replaced or cleared since the census asked is not among the dead any more, and what
// was inserted since is not either.
func TestACensusIsTrueOfWhatHasChangedSince(t *testing.T) {
	for _, workers := range []int{1, 2} {
		p := populate(t, false, []int{1000, 70 * journal.Size}, func(i int) bool { return i%2 == 0 })
		c := p.take(workers)
		alive := seam.Make(unsafe.Pointer(p.held[0]))
		for s := range p.journals {
			j := &p.journals[s]
			for r, pos := range j.Records {
				switch w := r.Word(); pos % 8 {
				case 0:
					delete(p.dead[s], w)
					j.Replace(pos, alive, nil, journal.Extra{})
				case 2, 3:
					delete(p.dead[s], w)
					j.Clear(pos)
				}
			}
			for dead := range p.dead[s] {
				if pos := j.Append(dead, nil, 0); c.Has(s, j.At(pos), pos) { // It was not asked.
					t.Error("the census has what was inserted since")
				}
				j.Clear(j.End() - 1)
				break
			}
		}
		if err := p.check(c); err != nil {
			t.Errorf("%d workers: %v", workers, err)
		}
		runtime.KeepAlive(p.held)
	}
}

// What died, was replaced by a live one and has died again is not among the dead of the census, since it was
// not when the census was gone by first.
func TestACensusSaysTheSameEachTime(t *testing.T) {
	p := populate(t, false, []int{1000}, func(int) bool { return true })
	c := p.take(1)
	j := &p.journals[0]
	again := new(referent)
	j.Replace(7, seam.Make(unsafe.Pointer(again)), nil, journal.Extra{})
	if c.Has(0, j.At(7), 7) {
		t.Fatal("the census has what was replaced by a live one")
	}
	runtime.KeepAlive(again)
	gctest.Eventually(t, "the other one is dead", func() bool { return seam.Value(j.At(7).Word()) == nil })
	if c.Has(0, j.At(7), 7) {
		t.Error("the census has what it did not have before")
	}
	if !c.Has(0, j.At(8), 8) {
		t.Error("the census does not have what has died")
	}
}

func TestACensusKnowsOtherChunks(t *testing.T) {
	for name, change := range map[string]func(j *journal.Journal){
		"Renew": func(j *journal.Journal) { j.Renew() },
		"Own": func(j *journal.Journal) {
			j.Share()
			j.Own(0)
		},
		"Compact": func(j *journal.Journal) { j.Compact(int(j.End()), nil, nil) },
		"emptied": func(j *journal.Journal) { j.Compact(0, func(*journal.Record, uint32) bool { return false }, nil) },
	} {
		for _, size := range []int{1, 100, 1000} {
			p := populate(t, false, []int{size}, func(int) bool { return true })
			c := p.take(1)
			for range 2 * journal.Size { // More chunks do no harm, and the first one does not grow.
				if size == 1000 {
					p.journals[0].Append(seam.Make(unsafe.Pointer(new(referent))), nil, 0)
				}
			}
			p.journals[0].Share() // The chunks are the same.
			if !c.Current(0, &p.journals[0]) {
				t.Errorf("%s: a journal of %d is not current before", name, size)
			}
			if change(&p.journals[0]); c.Current(0, &p.journals[0]) {
				t.Errorf("%s: a journal of %d is current after", name, size)
			}
		}
	}
}

// Found ends where its caller does.
func TestFoundCanBeLeft(t *testing.T) {
	p := populate(t, false, []int{3 * journal.Batch}, func(int) bool { return true })
	batches := 0
	for range p.take(1).Found(0) {
		batches++
		break
	}
	if batches != 1 {
		t.Errorf("%d batches were yielded after the first was refused", batches-1)
	}
}
