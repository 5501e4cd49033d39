package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// output runs a command in a folder and returns what it prints, without the last newline. An
// error has what it says on standard error.
func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	text, err := command.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return strings.TrimSpace(string(text)), err
}

// A side is the benchmarks built with one state of the library, and where its results go.
type side struct {
	binary string
	out    *results
}

// build compiles the benchmarks of the module in folder into a binary in place. flags are for go
// test, environment is added to that of this process.
func build(ctx context.Context, folder, place string, environment []string, flags ...string) (binary string, err error) {
	binary = filepath.Join(place, "bench.test")
	args := append([]string{"test", "-c", "-o", binary}, flags...)
	command := exec.CommandContext(ctx, "go", append(args, ".")...)
	command.Dir = folder
	command.Env = append(os.Environ(), environment...)
	if text, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the benchmarks do not build: %w\n%s", err, bytes.TrimSpace(text))
	}
	return binary, nil
}

// execute takes all samples of the plan, in rounds. It goes on after a sample that fails. It
// returns how many samples it took, and what failed.
func (p *plan) execute(ctx context.Context, sides []side, show *progress) (done int, err error) {
	defer show.end()
	for round := range p.count {
		for _, c := range p.cells {
			for _, turn := range order(round, len(c.Impls)*len(sides)) {
				impl, s := c.Impls[turn/len(sides)], sides[turn%len(sides)]
				show.next(c, impl)
				text, failure := p.sample(ctx, s.binary, c, impl)
				if ctx.Err() != nil {
					return done, err
				}
				if failure != nil {
					err = errors.Join(err, failure)
					continue
				}
				if failure := s.out.add(text); failure != nil {
					return done, errors.Join(err, failure)
				}
				done++
			}
		}
	}
	return done, err
}

// order returns in which order the n samples of a cell are taken in a round. A process finds the
// memory and the caches as the one before it left them, so each must come after each sometimes.
// The first round keeps the order of the table, which is that of the columns that benchstat
// prints. The others are the same in every run.
func order(round, n int) []int {
	turns := rand.New(rand.NewPCG(uint64(round), 0)).Perm(n)
	if round == 0 {
		slices.Sort(turns)
	}
	return turns
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
