package weakmap

import (
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/go-weak/weakmap/internal/gctest"
	"github.com/go-weak/weakmap/internal/journal"
)

// TestAMassDeathFindsWhatHasMoved: a shard whose journal was compacted between the census and the new
// layout loses what was found dead in it, and nothing that lives. Where the places of the census are taken
// for those of such a journal, this fails in 20 of 20 runs.
func TestAMassDeathFindsWhatHasMoved(t *testing.T) {
	defer reaper.blockPasses()()
	const early, n, apart = 500, 3000, 4
	m := &Map[int, thing]{Config: Config{Shards: 1}}
	held := make([]*thing, n/apart)
	var watched []weak.Pointer[thing]
	for i := range held {
		held[i] = new(thing)
	}
	for key := range early {
		m.Store(-1-key, held[0])
	}
	gctest.Elsewhere(func() {
		doomed := make([]*thing, n) // An insertion removes what dies before the last one.
		for key := range n {
			value := held[key/apart]
			if key%apart != 0 {
				value = new(thing)
				doomed[key], watched = value, append(watched, weak.Make(value))
			}
			m.Store(key, value)
		}
		runtime.KeepAlive(doomed)
	})
	gctest.Eventually(t, "what is not held dies", func() bool {
		return !slices.ContainsFunc(watched, func(w weak.Pointer[thing]) bool { return w.Value() != nil })
	})
	table := m.core.table.Load()
	l := table.layout.Load()
	c := journal.Census{Journals: l.journals(nil)}
	c.Take(1)
	if c.Dead != len(watched) {
		t.Fatalf("the census has found %d dead of %d", c.Dead, len(watched))
	}
	for key := range early {
		m.Delete(-1 - key)
	}
	for key, end := n, l.shards[0].journal.End(); l.shards[0].journal.End() >= end; key++ {
		if m.Store(key, held[0]); table.layout.Load() != l {
			t.Fatal("the table has grown")
		}
		m.Delete(key)
	}
	table.growth.Lock()
	dead := l.used() - len(held) // An insertion removes some.
	removed := table.reapMost(l, &c)
	table.growth.Unlock()
	if used := table.layout.Load().used(); removed != dead || used != len(held) {
		t.Errorf("%d of %d dead have been removed, and %d entries are left of %d that live", removed, dead, used, len(held))
	}
	for i, value := range held {
		if got, _ := m.Load(i * apart); got != value {
			t.Errorf("the value under %d is lost", i*apart)
		}
	}
}
