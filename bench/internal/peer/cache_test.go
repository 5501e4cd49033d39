package peer

import "testing"

func TestCachesHoldAsMuchAsTheyAreTold(t *testing.T) {
	const n = 1000
	for _, p := range Caches[uint64]() {
		c := p.New(n)
		values := make([]*Value, n)
		for i := range values {
			values[i] = &Value{ID: uint64(i)}
			c.Store(uint64(i), values[i])
		}
		for i, value := range values {
			if got := c.Load(uint64(i)); got != value {
				t.Fatalf("%s: %d gives %p, want %p", p.Name, i, got, value)
			}
		}
		if got := c.Load(n); got != nil {
			t.Errorf("%s: found what was not stored", p.Name)
		}
		for i := range uint64(10 * n) {
			c.Store(n+i, &Value{ID: n + i})
		}
		// This library may hold one more for each shard but one.
		if got := c.Len(); got < n || got > n+n/10 {
			t.Errorf("%s: %d are held, want %d", p.Name, got, n)
		}
	}
}
