package suite

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// What a map of one entry takes on the heap, and what is left when it was emptied, however that was.
func TestAnEmptiedMapIsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the limits are stated for 64 bits")
	}
	const maps, single, emptied = 1000, 620, 600
	var value record
	for _, c := range []struct {
		name    string
		entries int
		empty   func(m *weakmap.Map[uint64, record], entries int)
	}{
		{"one entry, kept", 1, nil},
		{"one entry, Clear", 1, func(m *weakmap.Map[uint64, record], _ int) { m.Clear() }},
		{"one entry, Delete", 1, func(m *weakmap.Map[uint64, record], _ int) { m.Delete(0) }},
		{"50 entries, Delete", 50, func(m *weakmap.Map[uint64, record], entries int) {
			for key := range uint64(entries) {
				m.Delete(key)
			}
		}},
		{"200 entries, Clear", 200, func(m *weakmap.Map[uint64, record], _ int) { m.Clear() }},
	} {
		all := make([]weakmap.Map[uint64, record], maps)
		before := gctest.HeapBytes()
		for i := range all {
			for key := range uint64(c.entries) {
				all[i].Store(key, &value)
			}
			if c.empty != nil {
				c.empty(&all[i], c.entries)
			}
		}
		limit := single
		if c.empty != nil {
			limit = emptied
		}
		each := 0
		settle(t)
		for range 10 { // Passes leave garbage, and what they drop goes with the next collection.
			if each = (gctest.HeapBytes() - before) / maps; each <= limit {
				break
			}
			settle(t)
		}
		if t.Logf("%s: %d bytes a map", c.name, each); each > limit {
			t.Errorf("%s: a map takes %d bytes, want %d at most", c.name, each, limit)
		}
		runtime.KeepAlive(all)
	}
	runtime.KeepAlive(&value)
}
