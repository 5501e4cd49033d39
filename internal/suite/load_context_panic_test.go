package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-weak/weakmap"
)

// A computation with a context panics or exits.

//go:noinline
func panicsInTheMiddleOfALoad() { panic(errMine) }

// The panic goes to one, with the stack of where it arose; the others get what one of them
// computes. It goes to the one that began if that is there.
func TestContextPanicGoesToOneAndAnotherTakesOver(t *testing.T) {
	for what, end := range map[string]func(){"panic": panicsInTheMiddleOfALoad, "Goexit": runtime.Goexit} {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/leaves=%t", what, leaves), func(t *testing.T) {
				eachContextLoad(t, func(t *testing.T, l *loading) {
					v := new(record)
					ctx, cancel := context.WithTimeout(context.Background(), map[bool]time.Duration{true: time.Minute, false: 24 * time.Hour}[leaves])
					defer cancel()
					first := l.call(ctx, func(context.Context) (*record, error) {
						time.Sleep(time.Hour)
						end()
						return nil, nil
					})
					var again atomic.Int32
					instead := func() (*record, error) {
						again.Add(1)
						time.Sleep(time.Minute)
						return v, nil
					}
					all := []*outcome{first}
					for i := range 4 {
						if i%2 == 0 {
							all = append(all, l.call(context.Background(), func(context.Context) (*record, error) { return instead() }))
						} else {
							all = append(all, start(func() (*record, bool, error) { return l.loadOrCompute(0, instead) }))
							synctest.Wait()
						}
					}
					pause(2 * time.Hour)
					suffered, stored := 0, 0
					for i, o := range all {
						switch {
						case i == 0 && leaves:
							o.want(t, "who left", nil, false, context.DeadlineExceeded)
						case o.ended:
							suffered++
							if err, _ := o.panic.(error); what == "panic" && (!errors.Is(err, errMine) || !strings.Contains(err.Error(), "panicsInTheMiddleOfALoad") || !strings.Contains(err.Error(), "mine")) {
								t.Errorf("the panic is %v, want one with the stack in its text", o.panic)
							}
							if what == "Goexit" && o.panic != nil {
								t.Errorf("Goexit became a panic %v", o.panic)
							}
							if i != 0 && !leaves {
								t.Error("it went to another than the one that began, who was there")
							}
						case o.value != v || o.err != nil:
							t.Errorf("caller %d got %+v, want %p", i, *o, v)
						case !o.loaded:
							stored++
						}
					}
					if suffered != 1 || stored != 1 || again.Load() != 1 {
						t.Errorf("%d callers ended, %d computed instead, %d were told that they stored; want one of each", suffered, again.Load(), stored)
					}
					runtime.KeepAlive(v)
				})
			})
		}
	}
}

// A Goexit of what was abandoned does no harm.
func TestContextGoexitOfAnAbandonedLoad(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		ctx, cancel := context.WithCancel(context.Background())
		o := l.call(ctx, func(ctx context.Context) (*record, error) { <-ctx.Done(); runtime.Goexit(); return nil, nil })
		cancel()
		synctest.Wait()
		o.want(t, "who left", nil, false, context.Canceled)
		v := new(record)
		if got, _, err := l.within(context.Background(), 0, takes(time.Second, v, nil)); got != v || err != nil {
			t.Errorf("the next caller got %p, %v", got, err)
		}
	})
}

const crashes = "WEAKMAP_ABANDONED_LOAD_CRASHES"

func TestContextPanicOfAnAbandonedLoadCrashes(t *testing.T) {
	if os.Getenv(crashes) != "" {
		var m weakmap.Map[int, record]
		ctx, cancel := context.WithCancel(context.Background())
		cancelled := make(chan struct{})
		go m.LoadOrComputeContext(ctx, 1, func(ctx context.Context) (*record, error) {
			close(cancelled)
			<-ctx.Done()
			panicsInTheMiddleOfALoad()
			return nil, nil
		})
		<-cancelled
		cancel()
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestContextPanicOfAnAbandonedLoadCrashes$")
	cmd.Env = append(os.Environ(), crashes+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: mine") || !strings.Contains(string(out), "panicsInTheMiddleOfALoad") {
		t.Errorf("the program ended with %v and said:\n%s", err, out)
	}
}
