package workload

import (
	"fmt"
	"runtime"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func attachments() []Cell {
	return []Cell{
		attach(objects16, size{200_000, Full}),
		attach(objects64, size{200_000, Full}),
		attach(objects256, size{200_000, Full}),
		attach(objects64, size{50_000, Quick}),
		attach(objects64, size{20_000, Smoke}),
	}
}

// attach measures what it takes to have a function called when an object is gone: time and
// resident bytes for each of s.n objects that exist already. That all functions are called at
// last is checked, not timed.
func attach[T any](kind keyKind[*T], s size) Cell {
	return isolated(Cell{
		Workload: "Finalize",
		Params:   fmt.Sprintf("object=%s/n=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     300*time.Millisecond + time.Duration(s.n)*2*time.Microsecond,
	}, choose(peer.Attachers[T](), peer.Weak), func(p peer.Participant[peer.Attacher[T]]) (metrics, error) {
		a := p.New(s.n)
		objects := kind.some(0, s.n)
		bare, err := settledBytes()
		if err != nil {
			return nil, err
		}
		took, err := clock(func() {
			for _, object := range objects {
				a.Attach(object)
			}
		})
		if err != nil {
			return nil, err
		}
		attached, err := settledBytes()
		if err != nil {
			return nil, err
		}
		if called := a.Called(); called != 0 {
			return nil, fmt.Errorf("%d functions were called for objects that live", called)
		}
		runtime.KeepAlive(objects)
		for deadline := time.Now().Add(time.Minute); a.Called() < s.n; time.Sleep(pause) {
			if time.Now().After(deadline) {
				return nil, fmt.Errorf("a minute after %d objects were dropped %d functions have been called", s.n, a.Called())
			}
			runtime.GC()
		}
		result := metrics{"B/object": float64(attached-bare) / float64(s.n)}
		result.per(s.n, took.wall, "ns/op")
		result.per(s.n, took.cpu, "cpu-ns/op")
		return result, nil
	})
}
