package suite

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

const (
	modelKeys   = 24
	modelValues = 12
)

// model is what a dumb map says the map under test must do. It holds some of the values and
// knows nothing of the others but their numbers: those may live or be dead, and the map tells
// which by a hit or a miss. A miss is final: what is dead stays dead, under every key.
type model[K comparable] struct {
	t      *testing.T
	m      *weakmap.Map[K, record]
	key    func(k byte) K
	held   [modelValues]*record // the last few values made
	bound  map[K]int            // number of the value that each key is bound to, unless seen dead
	ghosts map[K]bool           // keys that may still have the entry of a value that was seen dead
	gone   map[int]bool         // values seen dead
	next   int                  // number of the next value

	inserts, deleted, either uint64 // either: deletions of what may have been dead
}

func newModel[K comparable](t *testing.T, c configuration, key func(k byte) K) *model[K] {
	d := &model[K]{t: t, m: newMap[K, record](c), key: key, bound: map[K]int{}, ghosts: map[K]bool{}, gone: map[int]bool{}}
	for i := range d.held {
		d.renew(i)
	}
	return d
}

// renew lets go of a value and makes another.
func (d *model[K]) renew(i int) {
	d.held[i] = &record{id: d.next}
	d.next++
}

// kill is renew, and waits until the value is dead. Its entries may still be there.
//
//go:noinline
func (d *model[K]) kill(i int) {
	number, handle := d.held[i].id, weak.Make(d.held[i])
	d.renew(i)
	killed := false
	for key, bound := range d.bound {
		if bound == number {
			delete(d.bound, key)
			d.ghosts[key] = true
			killed = true
		}
	}
	if killed {
		d.gone[number] = true
		awaitDeath(d.t, []weak.Pointer[record]{handle})
	}
}

// pinned returns the value of that number if it is held.
func (d *model[K]) pinned(number int) *record {
	for _, r := range d.held {
		if r.id == number {
			return r
		}
	}
	return nil
}

// check compares what a call found bound to key with what it must find, and learns from it.
func (d *model[K]) check(call string, key K, got *record, ok bool) {
	d.t.Helper()
	number, bound := d.bound[key]
	switch {
	case ok != (got != nil):
		d.t.Fatalf("%s(%v) = %p, %t", call, key, got, ok)
	case !ok && bound && d.pinned(number) != nil:
		d.t.Fatalf("%s(%v) misses value %d, which is held", call, key, number)
	case !ok && bound:
		d.gone[number] = true
		delete(d.bound, key)
		d.ghosts[key] = true
	case ok && !bound:
		d.t.Fatalf("%s(%v) finds value %d, want none", call, key, got.id)
	case ok && got.id != number:
		d.t.Fatalf("%s(%v) finds value %d, want %d", call, key, got.id, number)
	case ok && d.gone[number]:
		d.t.Fatalf("%s(%v) finds value %d, which was dead before", call, key, number)
	case ok && d.pinned(number) != nil && d.pinned(number) != got:
		d.t.Fatalf("%s(%v) finds %p, another copy of value %d", call, key, got, number)
	}
}

// bind records that key is bound to r now, whatever it was bound to before.
func (d *model[K]) bind(key K, r *record) {
	d.unbind(key)
	d.bound[key] = r.id
	d.inserts++
}

func (d *model[K]) unbind(key K) {
	if number, bound := d.bound[key]; bound && d.pinned(number) != nil {
		d.deleted++
	} else if bound {
		d.either++
	}
	delete(d.bound, key)
	delete(d.ghosts, key)
}

// step does one operation, chosen by op, to the map and to the model.
func (d *model[K]) step(op, k, v byte) {
	d.t.Helper()
	key, slot := d.key(k%modelKeys), v%modelValues
	if op %= 21; op == 20 {
		d.kill(int(slot))
		d.count()
		return
	}
	fresh := d.held[slot]
	other := d.held[(slot+1)%modelValues]
	switch op {
	case 0, 1:
		got, ok := d.m.Load(key)
		d.check("Load", key, got, ok)
	case 2, 3, 4:
		d.m.Store(key, fresh)
		d.bind(key, fresh)
	case 5:
		got, loaded := d.m.LoadOrStore(key, fresh)
		if !loaded && got == fresh {
			got = nil
		}
		if d.check("LoadOrStore", key, got, loaded); !loaded {
			d.bind(key, fresh)
		}
	case 6:
		got, loaded := d.m.LoadAndDelete(key)
		d.check("LoadAndDelete", key, got, loaded)
		d.unbind(key)
	case 7:
		got, loaded := d.m.Swap(key, fresh)
		d.check("Swap", key, got, loaded)
		d.bind(key, fresh)
	case 8:
		number, bound := d.bound[key]
		want := bound && number == fresh.id
		if got := d.m.CompareAndSwap(key, fresh, other); got != want {
			d.t.Fatalf("CompareAndSwap(%v) = %t, want %t", key, got, want)
		} else if got {
			d.bind(key, other)
		}
	case 9:
		number, bound := d.bound[key]
		want := bound && number == fresh.id
		if got := d.m.CompareAndDelete(key, fresh); got != want {
			d.t.Fatalf("CompareAndDelete(%v) = %t, want %t", key, got, want)
		} else if got {
			d.unbind(key)
		}
	case 10:
		d.m.Delete(key)
		d.unbind(key)
	case 11, 12:
		d.compute(key, v, fresh)
	case 13:
		d.loadOrCompute(key, v, fresh)
	case 14:
		d.deleteFunc(int(v % 4))
	case 15:
		d.iterate()
	case 16, 17:
		d.renew(int(slot))
	case 18:
		d.m.Reap()
		clear(d.ghosts)
	case 19:
		if k < 16 {
			d.m.Clear()
			for key := range d.bound {
				d.unbind(key)
			}
			clear(d.ghosts)
		} else if k < 48 {
			runtime.GC()
		}
	}
	d.count()
}

func (d *model[K]) compute(key K, v byte, fresh *record) {
	var saw *record
	got := d.m.Compute(key, func(current *record) *record {
		saw = current
		switch v % 3 {
		case 0:
			return nil
		case 1:
			return current
		}
		return fresh
	})
	d.check("Compute", key, saw, saw != nil)
	want := saw
	switch {
	case v%3 == 0 && saw != nil:
		want = nil
		d.unbind(key)
	case v%3 == 2:
		if want = fresh; saw != fresh {
			d.bind(key, fresh)
		}
	}
	if got != want {
		d.t.Fatalf("Compute(%v) = %p, want %p", key, got, want)
	}
}

func (d *model[K]) loadOrCompute(key K, v byte, fresh *record) {
	computed := false
	got, loaded, err := d.m.LoadOrCompute(key, func() (*record, error) {
		computed = true
		if v%3 == 0 {
			return nil, nil
		}
		return fresh, nil
	})
	if loaded == computed {
		d.t.Fatalf("LoadOrCompute(%v): loaded %t, computed %t", key, loaded, computed)
	}
	if loaded {
		d.check("LoadOrCompute", key, got, true)
		return
	}
	d.check("LoadOrCompute", key, nil, false)
	if v%3 == 0 {
		if err != weakmap.ErrNilValue {
			d.t.Fatalf("LoadOrCompute(%v): error %v, want ErrNilValue", key, err)
		}
		return
	}
	if err != nil || got != fresh {
		d.t.Fatalf("LoadOrCompute(%v) = %p, %v, want %p", key, got, err, fresh)
	}
	d.bind(key, fresh)
}

func (d *model[K]) deleteFunc(rest int) {
	seen, deleted := map[K]bool{}, 0
	held := d.heldKeys()
	n := d.m.DeleteFunc(func(key K, value *record) bool {
		d.see("DeleteFunc", key, value, seen)
		if value.id%4 != rest {
			return false
		}
		d.unbind(key)
		deleted++
		return true
	})
	if n != deleted {
		d.t.Fatalf("DeleteFunc = %d, want %d", n, deleted)
	}
	d.mustHaveSeen("DeleteFunc", held, seen)
}

func (d *model[K]) iterate() {
	seen := map[K]bool{}
	for key, value := range d.m.All() {
		d.see("All", key, value, seen)
	}
	d.mustHaveSeen("All", d.heldKeys(), seen)
}

// see is check for a call that goes through the map.
func (d *model[K]) see(call string, key K, value *record, seen map[K]bool) {
	if seen[key] {
		d.t.Fatalf("%s yields %v twice", call, key)
	}
	seen[key] = true
	d.check(call, key, value, true)
}

// heldKeys returns the keys that are bound to values which are held.
func (d *model[K]) heldKeys() (keys []K) {
	for key, number := range d.bound {
		if d.pinned(number) != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

func (d *model[K]) mustHaveSeen(call string, held []K, seen map[K]bool) {
	for _, key := range held {
		if !seen[key] {
			d.t.Fatalf("%s does not yield %v, whose value is held", call, key)
		}
	}
}

// count checks the numbers after each step.
func (d *model[K]) count() {
	least := len(d.heldKeys())
	if n := d.m.Len(); n < least || n > len(d.bound)+len(d.ghosts) {
		d.t.Fatalf("Len = %d with %d held bindings, %d others and %d dead", n, least, len(d.bound)-least, len(d.ghosts))
	}
	if s := d.m.Stats(); s.Inserts != d.inserts || s.Deleted < d.deleted || s.Deleted > d.deleted+d.either {
		d.t.Fatalf("Stats = %+v, want %d inserts and %d to %d deletions", s, d.inserts, d.deleted, d.deleted+d.either)
	}
}

// run executes a program of three bytes per step, then lets go of everything.
func (d *model[K]) run(program []byte) {
	d.t.Helper()
	for ; len(program) >= 3; program = program[3:] {
		d.step(program[0], program[1], program[2])
	}
	runtime.KeepAlive(&d.held)
	clear(d.held[:])
	eventually(d.t, "the map is empty when nothing is held", func() bool { return d.m.Len() == 0 })
	balanced(d.t, d.m)
}

func randomProgram(seed uint64, steps int) []byte {
	rng := rand.New(rand.NewPCG(seed, seed))
	program := make([]byte, 3*steps)
	for i := range program {
		program[i] = byte(rng.Uint32())
	}
	return program
}

// textKey and numberKey make the keys of programs.
func textKey(k byte) string { return fmt.Sprintf("key %d", k) }
func numberKey(k byte) int  { return int(k) }

func TestMapAgreesWithAPlainMap(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		for range 2 {
			seed := rand.Uint64()
			t.Logf("program %d", seed)
			newModel(t, c, textKey).run(randomProgram(seed, scaled(2000)))
			newModel(t, c, numberKey).run(randomProgram(seed, scaled(2000)))
		}
	})
}

// FuzzMap lets the fuzzer write the program, and choose the configuration. What is in
// testdata/fuzz/FuzzMap are moments that matter, by name.
func FuzzMap(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(byte(seed*37), randomProgram(seed, 50))
	}
	f.Add(byte(0), []byte{2, 1, 1, 16, 0, 1, 19, 20, 0, 0, 1, 0, 18, 0, 0, 5, 1, 1}) // store, drop, collect, load, reap, load or store
	f.Add(byte(9), []byte{2, 1, 1, 2, 2, 1, 16, 0, 1, 19, 20, 0, 0, 1, 0, 0, 2, 0})  // one value under two keys
	f.Add(byte(1), []byte{2, 1, 1, 11, 1, 2, 11, 1, 0, 13, 1, 1, 13, 1, 3})
	f.Fuzz(func(t *testing.T, config byte, program []byte) {
		c := configuration{
			reclaim: weakmap.Reclaim(config % 2),
			shards:  int(config / 2 % 4),
			hash:    []string{"builtin", "constant", "4bits"}[config/8%3],
		}
		program = program[:min(len(program), 3*500)]
		if config/24%2 == 0 {
			newModel(t, c, textKey).run(program)
		} else {
			newModel(t, c, numberKey).run(program)
		}
	})
}
