// Package trial runs one piece of work in several variants and sets the results side by side.
//
// Each variant runs in a fresh child process of the same program, because the peak of a process's
// memory never falls: variants that shared a process would all show the peak of the greediest.
package trial

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// childFlag, as the first argument, makes the program run one variant: the plan comes on standard
// input and reports leave on standard output. No flag set knows it, so -h does not show it.
const childFlag = "-trial-child"

// reportInterval is how often a child reports its progress: often enough for a smooth bar.
const reportInterval = 100 * time.Millisecond

// report is what a child sends: how much is done, and at the end either a result or an error.
type report[R any] struct {
	Done   int64
	Last   bool
	Result R
	Error  string
}

// IsChild says whether this process was started by Run; its main must then call Serve.
func IsChild() bool {
	return len(os.Args) > 1 && os.Args[1] == childFlag
}

// Run starts this program once more, has its Serve do plan, and returns the result.
// If stderr is a terminal, a bar for total steps shows there until then.
func Run[P, R any](plan P, name string, total int, stderr io.Writer) (R, error) {
	var result R
	self, err := os.Executable()
	if err != nil {
		return result, fmt.Errorf("starting %s: %w", name, err)
	}
	child := exec.Command(self, childFlag)
	child.Stderr = stderr
	stdin, errIn := child.StdinPipe()
	stdout, errOut := child.StdoutPipe()
	if err := errors.Join(errIn, errOut, child.Start()); err != nil {
		return result, fmt.Errorf("starting %s: %w", name, err)
	}

	result, err = converse[P, R](plan, stdin, stdout, NewBar(name, total, stderr))
	// A child that is still talking after a failed conversation would keep Wait waiting.
	if err != nil {
		_ = child.Process.Kill() // It may be gone already, which is as well.
	}
	if exit := child.Wait(); exit != nil {
		err = errors.Join(err, exit)
	}
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	return result, nil
}

// converse hands plan to a child and listens to its reports until the last one.
func converse[P, R any](plan P, stdin io.WriteCloser, stdout io.Reader, bar *Bar) (R, error) {
	defer bar.Close()
	var none R
	if err := errors.Join(gob.NewEncoder(stdin).Encode(plan), stdin.Close()); err != nil {
		return none, fmt.Errorf("sending the plan: %w", err)
	}
	reports := gob.NewDecoder(stdout)
	for {
		var r report[R]
		if err := reports.Decode(&r); err != nil {
			return none, fmt.Errorf("no result: %w", err)
		}
		bar.Set(r.Done)
		switch {
		case r.Error != "":
			return none, errors.New(r.Error)
		case r.Last:
			return r.Result, nil
		}
	}
}

// Serve is a child's main: it does the work of the plan that Run sent, and reports to it. The work
// counts what it has done in done. Serve returns an error only if the parent no longer listens.
func Serve[P, R any](work func(plan P, done *atomic.Int64) (R, error)) error {
	var plan P
	if err := gob.NewDecoder(os.Stdin).Decode(&plan); err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	var done atomic.Int64
	last := make(chan report[R], 1)
	go func() {
		r := report[R]{Last: true}
		var err error
		if r.Result, err = work(plan, &done); err != nil {
			r.Error = err.Error()
		}
		r.Done = done.Load()
		last <- r
	}()

	reports := gob.NewEncoder(os.Stdout)
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := reports.Encode(report[R]{Done: done.Load()}); err != nil {
				return err
			}
		case r := <-last:
			return reports.Encode(r)
		}
	}
}
