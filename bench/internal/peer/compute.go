package peer

import (
	"golang.org/x/sync/singleflight"

	"github.com/go-weak/weakmap"
)

// A Computer is a weak map that makes what it does not have.
type Computer struct {
	// LoadOrCompute returns the value of key, the same for all concurrent callers.
	LoadOrCompute func(key string, compute func() *Value) *Value
}

// Computers returns the participants that compute on a miss.
func Computers() []Participant[Computer] {
	return []Participant[Computer]{
		{"weakmap", Weak, libraryComputer(weakmap.PerCycle)},
		{"weakmap-pervalue", Weak, libraryComputer(weakmap.PerValue)},
		{"singleflight", Weak, singleflightComputer},
		{"syncmap", Weak, syncComputer},
	}
}

func libraryComputer(reclaim weakmap.Reclaim) func(int) Computer {
	return func(int) Computer {
		m := &weakmap.Map[string, Value]{Config: weakmap.Config{Reclaim: reclaim}}
		return Computer{func(key string, compute func() *Value) *Value {
			value, _, _ := m.LoadOrCompute(key, func() (*Value, error) { return compute(), nil })
			return value
		}}
	}
}

// singleflightComputer puts a singleflight.Group before a weak map on sync.Map.
func singleflightComputer(int) Computer {
	m := weakSync[string](0)
	var group singleflight.Group
	return Computer{func(key string, compute func() *Value) *Value {
		if value := m.Load(key); value != nil {
			return value
		}
		value, _, _ := group.Do(key, func() (any, error) {
			value := m.Load(key) // it may have come since
			if value == nil {
				value = compute()
				m.Store(key, value)
			}
			return value, nil
		})
		return value.(*Value)
	}}
}

// syncComputer lets all callers compute and keeps the first value.
func syncComputer(int) Computer {
	c := newSyncCache[string, Value]()
	return Computer{func(key string, compute func() *Value) *Value {
		return c.loadOrMake(key, func() (string, *Value) { return key, compute() })
	}}
}
