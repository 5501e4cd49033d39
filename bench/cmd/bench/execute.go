package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-weak/weakmap/bench/internal/workload"
)

const modulePath = "github.com/go-weak/weakmap/bench"

// moduleFolder returns the folder of this module's source.
func moduleFolder(ctx context.Context) (string, error) {
	folder, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", modulePath)
	if err != nil || folder == "" {
		return "", fmt.Errorf("the source of %s is not found from here; run this in its folder, or in a workspace that has it", modulePath)
	}
	return folder, nil
}

// output runs a command in a folder and returns what it prints, without the last newline.
func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	text, err := command.Output()
	return strings.TrimSpace(string(text)), err
}

// build compiles the benchmarks of the module in folder. remove deletes the binary.
func build(ctx context.Context, folder string) (binary string, remove func(), err error) {
	place, err := os.MkdirTemp("", "weakmap-bench-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(place) }
	binary = filepath.Join(place, "bench.test")
	command := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, ".")
	command.Dir = folder
	if text, err := command.CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("the benchmarks do not build: %w\n%s", err, bytes.TrimSpace(text))
	}
	return binary, remove, nil
}

// execute takes all samples of the plan, in rounds. It goes on after a sample that fails. It
// returns how many samples it took, and what failed.
func (p *plan) execute(ctx context.Context, binary string, out *results, show *progress) (done int, err error) {
	defer show.end()
	for range p.count {
		for _, c := range p.cells {
			for _, impl := range c.Impls {
				show.next(c, impl)
				text, failure := p.sample(ctx, binary, c, impl)
				if ctx.Err() != nil {
					return done, err
				}
				if failure != nil {
					err = errors.Join(err, failure)
					continue
				}
				if failure := out.add(text); failure != nil {
					return done, errors.Join(err, failure)
				}
				done++
			}
		}
	}
	return done, err
}

// sample runs one benchmark once, in a process of its own, and returns what it prints.
func (p *plan) sample(ctx context.Context, binary string, c workload.Cell, impl string) ([]byte, error) {
	name := c.Name(impl)
	benchtime := p.benchtime.String()
	if c.OwnProcess() {
		benchtime = "1x"
	}
	parts := strings.Split("Benchmark"+name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	command := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench="+strings.Join(parts, "/"),
		"-test.benchtime="+benchtime, "-test.timeout=10m")
	command.WaitDelay = 5 * time.Second
	text, err := command.CombinedOutput()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(text))
	case !bytes.Contains(text, []byte("\nBenchmark")):
		return nil, fmt.Errorf("%s: no result:\n%s", name, bytes.TrimSpace(text))
	}
	return text, nil
}
