package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-weak/weakmap/bench/internal/provenance"
	"github.com/go-weak/weakmap/bench/internal/workload"
)

// results is a file of standard benchmark text. Each sample is in the file when add returns.
type results struct {
	*os.File
	environment []string // configuration lines; nil once they are written
}

// create makes a new file in folder, and the folder if need be. The name ends with suffix.
func create(home, folder, suffix string) (*results, error) {
	if folder == "" {
		folder = filepath.Join(home, "out")
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder, time.Now().UTC().Format("20060102-150405")+suffix+".txt"),
		os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	return &results{File: file}, err
}

// discard deletes the file.
func (r *results) discard() {
	_ = r.Close()
	_ = os.Remove(r.Name())
}

// describe sets what the file says about the run, besides what the testing package says.
func (r *results) describe(commit string, p *plan, args []string) {
	r.environment = provenance.Lines(commit, p.count, strings.Join(append([]string{"go run ./bench/cmd/bench"}, args...), " "))
}

// add appends the benchmark lines of a test binary's output. The configuration lines (goos,
// goarch, pkg, cpu) come from the first output; they are the same in all.
func (r *results) add(text []byte) error {
	var lines bytes.Buffer
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("Benchmark")) {
			if r.environment != nil {
				fmt.Fprintln(&lines, strings.Join(r.environment, "\n")+"\n")
				r.environment = nil
			}
			lines.Write(line)
		} else if key, _, ok := bytes.Cut(line, []byte(": ")); ok && r.environment != nil && !bytes.ContainsAny(key, " \t") {
			lines.Write(line)
		}
	}
	_, err := r.Write(lines.Bytes())
	return err
}

// progress tells on a terminal, in one line, what runs now and how long it will take; elsewhere
// it prints a line for each cell.
type progress struct {
	w        io.Writer
	p        *plan
	terminal bool
	started  time.Time
	begun    int // samples
	ahead    time.Duration
	behind   time.Duration // estimates of what was begun before now
	last     string
}

func newProgress(w io.Writer, p *plan) *progress {
	show := &progress{w: w, p: p, ahead: p.total()}
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		show.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return show
}

// next is called before each sample.
func (s *progress) next(c workload.Cell, impl string) {
	if s.begun == 0 {
		s.started = time.Now()
	}
	left := s.ahead
	if elapsed := time.Since(s.started); s.behind > 0 { // correct the estimates by what they were worth so far
		left = time.Duration(float64(s.ahead) * float64(elapsed) / float64(s.behind))
	}
	s.begun++
	estimate := s.p.estimate(c)
	s.ahead -= estimate
	s.behind += estimate
	text := fmt.Sprintf("[%d/%d] about %v left: %s", s.begun, s.p.samples(), rounded(left), c)
	switch {
	case s.terminal:
		fmt.Fprintf(s.w, "\r\x1b[K%s %s", text, impl)
	case c.String() != s.last:
		fmt.Fprintln(s.w, text)
	}
	s.last = c.String()
}

// end is called after the last sample.
func (s *progress) end() {
	if s.terminal {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}
