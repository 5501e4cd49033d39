package suite

import (
	"runtime"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// An iteration that ends at once costs the same at any size, so taking one element
// at a time until none is left takes time in proportion to their number.
func TestTakingOneAtATimeIsLinear(t *testing.T) {
	take := func(n int) time.Duration {
		elements := make([]*record, n)
		var s weakmap.Set[record]
		for i := range elements {
			elements[i] = new(record)
			s.Add(elements[i])
		}
		start := time.Now()
		for taken := range n {
			found := false
			for e := range s.All() {
				found = s.Remove(e)
				break
			}
			if !found {
				t.Fatalf("nothing to take after %d of %d", taken, n)
			}
		}
		took := time.Since(start)
		for range s.All() {
			t.Fatalf("something is left of %d", n)
		}
		runtime.KeepAlive(elements)
		return took
	}
	// Eight times as many take 8 times as long, 64 times if each costs more the more there are;
	// a larger table and a smaller cache make that 13 at times. On a busy machine the longer run is
	// interrupted, and the shorter one often not: the least of many runs is what counts.
	const few, times = 5_000, 8
	one, all := time.Duration(1<<62), time.Duration(1<<62)
	for round := 0; round < 3 || round < 30 && all > 3*times*one; round++ {
		one = min(one, take(few))
		all = min(all, take(times*few))
	}
	if all > 3*times*one {
		t.Errorf("%d elements took %v to take one by one, %d took %v", times*few, all, few, one)
	}
}

// What is bound all the time is yielded once, also while it is replaced, and while what
// is around it comes and goes.
func TestAnIterationYieldsOnceWhatIsBoundAllTheTime(t *testing.T) {
	const n = 1000
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	values := make([]*record, n)
	var m weakmap.Map[int, record]
	for i := range values {
		values[i] = new(record)
		m.Store(i, values[i])
	}
	for round := range rounds {
		times := make([]int, n)
		steps := 0
		for k, v := range m.All() {
			if k < n {
				if times[k]++; v != values[k] {
					t.Fatalf("round %d: key %d is yielded with another value", round, k)
				}
			}
			steps++
			for i := range 20 { // Far ahead, just ahead and behind.
				r := (k + i*n/20 + steps) % n
				m.Store(r, values[r])
				m.Store(n+r, values[r])
				m.Delete(n + (r+7)%n)
			}
			if steps == n/2 && round%5 == 0 {
				m.Store(1<<30+round, values[0])
				for i := range 4 * n { // The table grows, and the list of its entries is made again.
					m.Store(10*n+i, values[0])
				}
				for i := range 4 * n {
					m.Delete(10*n + i)
				}
			}
		}
		for k, c := range times {
			if c != 1 {
				t.Fatalf("round %d: key %d, which was bound all the time, was yielded %d times", round, k, c)
			}
		}
	}
	runtime.KeepAlive(values)
}

// An iteration that was left, whether by break, panic or Goexit, leaves nothing behind that
// others would wait for, and a later one finds everything.
func TestAnIterationThatWasLeft(t *testing.T) {
	const n = 1000
	values := make([]*record, n)
	var m weakmap.Map[int, record]
	for i := range values {
		values[i] = new(record)
		m.Store(i, values[i])
	}
	leave := map[string]func(){
		"break":  nil,
		"panic":  func() { panic("leaves") },
		"Goexit": runtime.Goexit,
	}
	for how, f := range leave {
		for at := range 80 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				for range m.All() {
					if at--; at < 0 {
						if f == nil {
							break
						}
						f()
					}
				}
			}()
			<-done
			for i := range 20 {
				m.Store(i*n/20, values[i*n/20])
			}
		}
		count := 0
		for range m.All() {
			count++
		}
		if count != n {
			t.Errorf("after iterations left by %s, %d of %d are yielded", how, count, n)
		}
	}
	runtime.KeepAlive(values)
}
