package suite

import (
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
)

func TestZeroMapIsReadyToUse(t *testing.T) {
	var m weakmap.Map[string, record]
	v := &record{id: 1}
	m.Store("a", v)
	if got, ok := m.Load("a"); !ok || got != v {
		t.Errorf("Load = %p, %t, want %p, true", got, ok, v)
	}
	runtime.KeepAlive(v)
}

func TestMapWorksAsAFieldOfAnotherStruct(t *testing.T) {
	type server struct {
		name  string
		cache weakmap.Map[string, record]
	}
	s := &server{name: "s"}
	v := &record{id: 1}
	s.cache.Store("a", v)
	if got, ok := s.cache.Load("a"); !ok || got != v {
		t.Errorf("Load = %p, %t, want %p, true", got, ok, v)
	}
	storeDoomed(&s.cache, "b", "c")
	eventually(t, "the dead entries left the map inside the struct", func() bool { return s.cache.Len() == 1 })
	runtime.KeepAlive(v)
}

func TestLoadFindsWhatStoreBound(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		if got, ok := m.Load(7); ok || got != nil {
			t.Errorf("Load of an unused map = %p, %t, want nil, false", got, ok)
		}
		held := storeHeld(m, numbers(300)...)
		for key, want := range held {
			if got, ok := m.Load(key); !ok || got != want {
				t.Fatalf("Load(%d) = %p, %t, want %p, true", key, got, ok, want)
			}
		}
		if got, ok := m.Load(300); ok || got != nil {
			t.Errorf("Load of an unbound key = %p, %t, want nil, false", got, ok)
		}
		if n := m.Len(); n != 300 {
			t.Errorf("Len = %d, want 300", n)
		}
		runtime.KeepAlive(held)
	})
}

func TestStoreReplacesTheBinding(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		old, fresh := &record{id: 1}, &record{id: 2}
		m.Store("k", old)
		m.Store("k", fresh)
		if got, ok := m.Load("k"); !ok || got != fresh {
			t.Errorf("Load = %p, %t, want the second value %p, true", got, ok, fresh)
		}
		if n := m.Len(); n != 1 {
			t.Errorf("Len = %d, want 1", n)
		}
		runtime.KeepAlive(old)
		runtime.KeepAlive(fresh)
	})
}

func TestLoadOrStoreKeepsTheFirstValue(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		first, second := &record{id: 1}, &record{id: 2}
		if got, loaded := m.LoadOrStore("k", first); loaded || got != first {
			t.Errorf("LoadOrStore of an unbound key = %p, %t, want its own value %p, false", got, loaded, first)
		}
		if got, loaded := m.LoadOrStore("k", second); !loaded || got != first {
			t.Errorf("LoadOrStore of a bound key = %p, %t, want the bound value %p, true", got, loaded, first)
		}
		if got, ok := m.Load("k"); !ok || got != first {
			t.Errorf("Load = %p, %t, want %p, true", got, ok, first)
		}
		runtime.KeepAlive(first)
		runtime.KeepAlive(second)
	})
}

func TestLoadAndDeleteReturnsWhatItRemoved(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		v := &record{id: 1}
		if got, loaded := m.LoadAndDelete("k"); loaded || got != nil {
			t.Errorf("LoadAndDelete of an unused map = %p, %t, want nil, false", got, loaded)
		}
		m.Store("k", v)
		if got, loaded := m.LoadAndDelete("k"); !loaded || got != v {
			t.Errorf("LoadAndDelete = %p, %t, want %p, true", got, loaded, v)
		}
		if got, loaded := m.LoadAndDelete("k"); loaded || got != nil {
			t.Errorf("second LoadAndDelete = %p, %t, want nil, false", got, loaded)
		}
		if n := m.Len(); n != 0 {
			t.Errorf("Len = %d, want 0", n)
		}
		runtime.KeepAlive(v)
	})
}

func TestSwapReturnsThePreviousValue(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		old, fresh := &record{id: 1}, &record{id: 2}
		if got, loaded := m.Swap("k", old); loaded || got != nil {
			t.Errorf("Swap of an unbound key = %p, %t, want nil, false", got, loaded)
		}
		if got, loaded := m.Swap("k", fresh); !loaded || got != old {
			t.Errorf("Swap = %p, %t, want %p, true", got, loaded, old)
		}
		if got, ok := m.Load("k"); !ok || got != fresh {
			t.Errorf("Load = %p, %t, want %p, true", got, ok, fresh)
		}
		runtime.KeepAlive(old)
		runtime.KeepAlive(fresh)
	})
}

func TestDeleteRemovesOneKeyOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		m.Delete(1) // of an unused map: nothing to do
		held := storeHeld(m, numbers(200)...)
		for key := range 200 {
			if key%3 == 0 {
				m.Delete(key)
			}
		}
		for key, want := range held {
			got, ok := m.Load(key)
			if deleted := key%3 == 0; ok == deleted || ok && got != want {
				t.Errorf("Load(%d) = %p, %t; deleted: %t", key, got, ok, deleted)
			}
		}
		m.Delete(3) // a second time
		if n := m.Len(); n != 133 {
			t.Errorf("Len = %d, want 133", n)
		}
		runtime.KeepAlive(held)
	})
}

func TestDeleteFuncRemovesWhatItIsToldAndCountsIt(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		if n := m.DeleteFunc(func(int, *record) bool { return true }); n != 0 {
			t.Errorf("DeleteFunc of an unused map = %d, want 0", n)
		}
		held := storeHeld(m, numbers(200)...)
		asked := make(map[int]int)
		n := m.DeleteFunc(func(key int, value *record) bool {
			if value != held[key] {
				t.Errorf("DeleteFunc saw %p under key %d, want %p", value, key, held[key])
			}
			asked[key]++
			m.Load(key) // no lock is held
			return key%2 == 0
		})
		if n != 100 || m.Len() != 100 {
			t.Errorf("DeleteFunc = %d and Len = %d, want 100 and 100", n, m.Len())
		}
		for key := range held {
			if asked[key] != 1 {
				t.Errorf("DeleteFunc asked %d times about key %d, want once", asked[key], key)
			}
			if _, ok := m.Load(key); ok != (key%2 == 1) {
				t.Errorf("after DeleteFunc Load(%d) hits: %t", key, ok)
			}
		}
		runtime.KeepAlive(held)
	})
}

func TestDeleteFuncNeverSeesADeadEntry(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		awaitDeath(t, storeDoomed(m, numbers(50)...))
		n := m.DeleteFunc(func(key int, value *record) bool {
			t.Errorf("DeleteFunc saw dead key %d with value %p", key, value)
			return true
		})
		if n != 0 {
			t.Errorf("DeleteFunc = %d, want 0: nothing was alive", n)
		}
	})
}

func TestDeleteFuncLeavesABindingMadeMeanwhile(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		old, fresh := &record{id: 1}, &record{id: 2}
		m.Store("k", old)
		first := true
		m.DeleteFunc(func(key string, value *record) bool {
			if first {
				first = false
				m.Store("k", fresh)
			}
			return value == old // the binding that was asked about, and no other
		})
		if got, ok := m.Load("k"); !ok || got != fresh {
			t.Errorf("Load = %p, %t, want %p, true: it was asked about %p only", got, ok, fresh, old)
		}
		runtime.KeepAlive(old)
		runtime.KeepAlive(fresh)
	})
}

func TestClearRemovesEverything(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		m.Clear() // of an unused map: nothing to do
		held := storeHeld(m, numbers(200)...)
		m.Clear()
		if n := m.Len(); n != 0 {
			t.Errorf("Len = %d after Clear, want 0", n)
		}
		for key := range held {
			if _, ok := m.Load(key); ok {
				t.Errorf("Load(%d) hits after Clear", key)
			}
		}
		m.Store(5, held[5])
		if got, ok := m.Load(5); !ok || got != held[5] {
			t.Errorf("Store after Clear: Load = %p, %t, want %p, true", got, ok, held[5])
		}
		runtime.KeepAlive(held)
	})
}

func TestStoreTheSameValueUnderManyKeys(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		v := &record{id: 1}
		for key := range 100 {
			m.Store(key, v)
		}
		m.Delete(50)
		for key := range 100 {
			if got, ok := m.Load(key); ok != (key != 50) || ok && got != v {
				t.Errorf("Load(%d) = %p, %t with %p under all keys but 50", key, got, ok, v)
			}
		}
		runtime.KeepAlive(v)
		v = nil
		eventually(t, "all entries of the one value left", func() bool { return m.Len() == 0 })
	})
}

func TestBindingsSurviveGrowthAndDeletion(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		n := scaled(20_000)
		if c.collides() {
			n = 600
		}
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(n)...)
		for key := 0; key < n; key += 2 {
			m.Delete(key)
		}
		for key := 1; key < n; key += 2 {
			if got, ok := m.Load(key); !ok || got != held[key] {
				t.Fatalf("Load(%d) = %p, %t, want %p, true", key, got, ok, held[key])
			}
		}
		for key := 0; key < n; key += 2 {
			m.Store(key, held[key])
		}
		for key := range n {
			if got, ok := m.Load(key); !ok || got != held[key] {
				t.Fatalf("after storing again Load(%d) = %p, %t, want %p, true", key, got, ok, held[key])
			}
		}
		if m.Len() != n {
			t.Errorf("Len = %d, want %d", m.Len(), n)
		}
		runtime.KeepAlive(held)
	})
}

func TestLoadCallsTheUsersHash(t *testing.T) {
	var m weakmap.Map[string, record]
	calls := 0
	m.Hash = func(key string) uint64 {
		calls++
		return uint64(len(key))
	}
	held := storeHeld(&m, "a", "bb", "cc", "ddd")
	stored := calls
	if stored < 4 {
		t.Errorf("four Stores called Hash %d times", stored)
	}
	if got, ok := m.Load("cc"); !ok || got != held[2] {
		t.Errorf("Load = %p, %t, want %p, true", got, ok, held[2])
	}
	if calls == stored {
		t.Error("Load did not call Hash")
	}
	runtime.KeepAlive(held)
}
