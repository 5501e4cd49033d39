package weakmap

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// With GODEBUG=checkfinalizers=1 the runtime goes, for each cleanup, through all that its argument
// leads to.
func TestATicketLeadsToNoOther(t *testing.T) {
	of := reflect.TypeFor[ticket]()
	for i := range of.NumField() {
		switch f := of.Field(i); f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan:
			t.Errorf("a ticket leads to a %v, by %s", f.Type, f.Name)
		}
	}
}

// Tickets against a set: each is listed from add to remove or take, and what is empty keeps no memory.
func TestTicketsAreListedUntilTheyGo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var l tickets
	listed := map[*ticket]bool{}
	most := 0 // chunks
	for step := range 160_000 {
		// For a while more are added than go, then the other way round.
		adds := 7
		if step/40_000%2 == 1 {
			adds = 2
		}
		switch k := new(ticket); {
		case random.IntN(10) < adds:
			l.add(k)
			listed[k] = true
		case random.IntN(2) == 0:
			k = l.take()
			if (k == nil) != (len(listed) == 0) || k != nil && !listed[k] {
				t.Fatalf("step %d: take returns %p, which is listed: %t; %d are", step, k, listed[k], len(listed))
			}
			delete(listed, k)
		default:
			for k = range listed {
				break
			}
			l.remove(k)
			l.remove(k) // Nothing then.
			delete(listed, k)
		}
		most = max(most, len(l.chunks))
		if l.n() != len(listed) {
			t.Fatalf("step %d: %d listed, want %d", step, l.n(), len(listed))
		}
	}
	if most < 8 {
		t.Errorf("%d chunks at most, too few to mean anything", most)
	}
	for k := l.take(); k != nil; k = l.take() {
		delete(listed, k)
	}
	if len(listed) != 0 || l.chunks != nil {
		t.Errorf("%d tickets were not taken, %d chunks are left", len(listed), len(l.chunks))
	}
}
