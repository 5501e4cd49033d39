package scenario

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/go-weak/weakmap/stress/internal/history"
)

// Short histories of several goroutines on few keys beside a collector, recorded and judged: see
// package history.
var linearizations = []Scenario{
	{"linear/map", "any result of a point operation of Map that no order of the operations explains; a value that is found after its death, under any key",
		needAll, judged(history.WeakValues, mapHistory)},
	{"linear/keymap", "the same for KeyMap, whose keys the callers hold",
		needHits | needCollections, judged(history.WeakKeys, keyMapHistory)},
	{"linear/set", "the same for Set",
		needHits | needCollections, judged(history.WeakKeys, setHistory)},
	{"linear/interner", "two canonical values at once, in any order of the operations",
		needAll, judged(history.Canonical, internerHistory)},
	{"linear/strings", "two copies of the bytes of one string at once, in any order of the operations",
		needAll, judged(history.Canonical, stringsHistory)},
	{"linear/cell", "any result of Load, Store, LoadOrCompute and Clear of a Cell that no order of the operations explains",
		needAll, judged(history.WeakValues, cellHistory)},
	{"linear/equal-set", "two members of a Set with a Hasher that are equal at once, in any order of the operations",
		needAll, judged(history.Canonical, equalSetHistory)},
}

const (
	// judging is how long the judgement of one key may take: nearly all take microseconds.
	judging = time.Second

	// A history has at least this many goroutines, and this many operations of each.
	minClients, maxClients = 6, 8
	clientOps              = 6
	historyKeys            = 3

	// unknownPercent of the histories at most may be left without a verdict.
	unknownPercent = 1
)

// judged plays histories until the budget is used up, and judges each.
func judged(rules history.Rules, play func(*session)) func(*Run) {
	return func(r *Run) {
		histories, unknown := 0, 0
		rounds(func(r *Round) {
			for !r.over.Load() && !r.done() {
				histories++
				s := newSession(r, histories)
				play(s)
				h := s.History()
				s.account(h)
				switch f := history.Check(h, rules, judging); f.Verdict {
				case history.Unknown:
					unknown++
				case history.Illegal:
					r.keep(h, rules, f)
				}
			}
		})(r)
		r.note("%d histories, %d of them without a verdict", histories, unknown)
		if unknown*100 > histories*unknownPercent {
			r.violation("%d of %d histories without a verdict within %v", unknown, histories, judging)
		}
	}
}

// keep saves a history that no order explains.
func (r *Round) keep(h []history.Operation, rules history.Rules, f history.Finding) {
	folder := r.Folder
	if folder == "" {
		folder = filepath.Join(os.TempDir(), "weakmap-stress")
	}
	file, err := history.Save(folder, fmt.Sprintf("history-%d-%d", r.Seed, os.Getpid()), h, rules, f)
	if err != nil {
		r.violation("%v: %s, and the history cannot be saved: %v", r.configuration, f.Reason, err)
		return
	}
	r.violation("%v: %s; the history is in %s, with a picture", r.configuration, f.Reason, file)
}

// A session is one history in the making.
type session struct {
	*Round
	*history.Recorder
	clients int
	number  int
	working sync.WaitGroup

	mu   sync.Mutex
	dead []func() bool // tells of each value whether it died; nil once it has, or if it cannot. Guarded by mu.
}

func newSession(r *Round, number int) *session {
	clients := minClients + r.rng.IntN(maxClients-minClients+1)
	return &session{Round: r, Recorder: history.NewRecorder(clients + 1), clients: clients, number: number}
}

func (s *session) account(h []history.Operation) {
	for _, o := range h {
		switch {
		case o.Kind == history.Death:
			s.Round.dead.Add(1)
		case o.OK:
			s.hits.Add(1)
		}
	}
	s.ops.Add(int64(len(h)))
}

// run has each client do its operations beside a collector, and then whatever end does.
func (s *session) run(operation func(*client), end func(*client)) {
	over := make(chan struct{})
	var collecting sync.WaitGroup
	collecting.Go(func() {
		c := s.Client(s.clients)
		for {
			runtime.GC()
			s.recordDeaths(c)
			select {
			case <-over:
				return
			default:
			}
		}
	})
	for i := range s.clients {
		c := &client{Client: s.Client(i), session: s, rng: rand.New(rand.NewPCG(s.Seed, uint64(s.number)<<8+uint64(i)))}
		s.working.Go(func() {
			for range clientOps {
				operation(c)
				switch c.rng.IntN(6) {
				case 0, 1:
					runtime.Gosched()
				case 2:
					time.Sleep(time.Duration(c.rng.IntN(300)) * time.Microsecond)
				}
			}
			end(c)
		})
	}
	s.working.Wait()
	close(over)
	collecting.Wait()
}

// recordDeaths records which values have died since the last time. It asks right after a
// collection, because asking during marking keeps what is dying.
func (s *session) recordDeaths(c *history.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, dead := range s.dead {
		if dead == nil {
			continue
		}
		c.Do(history.Operation{Kind: history.Death, Value: history.Value(i + 1)}, func(*history.Operation) bool {
			if !dead() {
				return false
			}
			s.dead[i] = nil
			return true
		})
	}
}

// follow numbers a value and has its death recorded; dead is nil if it cannot die.
func (s *session) follow(dead func() bool) history.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = append(s.dead, dead)
	return history.Value(len(s.dead))
}

// A client is a goroutine that works on a history.
type client struct {
	*history.Client
	*session
	rng  *rand.Rand
	pins []pinned
}
