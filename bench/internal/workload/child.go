package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// childEnv names the cell and participant that a process is to measure: Workload, participant
// and parameters, as Name gives them.
const childEnv = "WEAKMAP_BENCH_CHILD"

// ServeChild measures one sample and exits, if that is what this process was started for.
// A TestMain calls it first.
func ServeChild() {
	name := os.Getenv(childEnv)
	if name == "" {
		return
	}
	go func() { // our parent process holds the other end of our input for as long as it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	result, err := measureNamed(name)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func measureNamed(name string) (metrics, error) {
	for _, c := range Cells() {
		for _, impl := range c.Impls {
			if c.OwnProcess() && c.Name(impl) == name {
				return c.measure(impl)
			}
		}
	}
	return nil, fmt.Errorf("no cell with a process of its own is called %q", name)
}

// inOwnProcess returns a benchmark each iteration of which is one fresh process.
func (c Cell) inOwnProcess(impl string) func(b *testing.B) {
	return func(b *testing.B) {
		sum := metrics{}
		for range b.N {
			sample, err := runChild(c.Name(impl))
			if err != nil {
				b.Fatal(err)
			}
			for unit, value := range sample {
				sum[unit] += value
			}
		}
		b.ReportMetric(0, "ns/op") // the time of the process says nothing; a sample may set its own
		for unit, value := range sum {
			b.ReportMetric(value/float64(b.N), unit)
		}
	}
}

func runChild(name string) (metrics, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	child := exec.Command(binary)
	child.Env = append(slices.Clip(os.Environ()), childEnv+"="+name)
	child.Stdout, child.Stderr = &stdout, &stderr
	lifeline, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	defer lifeline.Close()
	if err := child.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	sample := metrics{}
	if err := json.Unmarshal(stdout.Bytes(), &sample); err != nil {
		return nil, fmt.Errorf("%s: unreadable result %q: %w", name, stdout.Bytes(), err)
	}
	if len(sample) == 0 {
		return nil, errors.New(name + ": no figures")
	}
	return sample, nil
}
