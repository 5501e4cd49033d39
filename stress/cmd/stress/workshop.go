package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A workshop has the programs that the legs run.
type workshop struct {
	self    string // the own program
	sources string // the folder of its sources; "" if missing says why they are not there
	missing string
	folder  string // a temporary one, for what is built; on some systems a program's name must end in .exe
}

// ownPackage is the package of the own program.
const ownPackage = "github.com/go-weak/weakmap/stress/cmd/stress"

// nothing is a program that does nothing: it can be built and run wherever any program can.
const nothing = "package main\n\nfunc main() {}\n"

func newWorkshop(ctx context.Context) (*workshop, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the own program is not known: %w", err)
	}
	folder, err := os.MkdirTemp("", "stress")
	if err != nil {
		return nil, err
	}
	w := &workshop{self: self, folder: folder}
	if err := os.WriteFile(filepath.Join(folder, "nothing.go"), []byte(nothing), 0o644); err != nil {
		w.close()
		return nil, err
	}
	switch sources, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", ownPackage).Output(); {
	case err == nil:
		w.sources = strings.TrimSpace(string(sources))
	case exec.Command("go").Err != nil:
		w.missing = "there is no go command"
	default:
		w.missing = "the sources are not found from this folder"
	}
	return w, nil
}

func (w *workshop) close() { _ = os.RemoveAll(w.folder) }

// program returns the program that a leg runs, and builds it if it must. Where even the program
// that does nothing cannot be built or run like it, the leg is skipped.
func (w *workshop) program(ctx context.Context, l leg) (program string, err error) {
	if !l.builds {
		return w.self, nil
	}
	if w.sources == "" {
		return "", fmt.Errorf("%w: %s", errSkipped, w.missing)
	}
	trial := filepath.Join(w.folder, "nothing-"+l.name+".exe")
	if err := w.build(ctx, l, trial, w.folder, "nothing.go"); err != nil {
		return "", fmt.Errorf("%w: nothing can be built so here: %w", errSkipped, err)
	}
	run := exec.CommandContext(ctx, trial)
	run.Env = append(os.Environ(), l.environment...)
	if output, err := run.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: nothing that is built so can run here: %w: %s", errSkipped, err, output)
	}
	program = filepath.Join(w.folder, "stress-"+l.name+".exe")
	if err := w.build(ctx, l, program, w.sources, "."); err != nil {
		return "", fmt.Errorf("FAILED: %w", err)
	}
	return program, nil
}

// build builds a package as a leg wants it.
func (w *workshop) build(ctx context.Context, l leg, program, folder, of string) error {
	arguments := append([]string{"build", "-o", program}, l.flags...)
	command := exec.CommandContext(ctx, "go", append(arguments, of)...)
	command.Dir = folder
	// The workspace may ask for a newer Go than this module does.
	command.Env = append(append(os.Environ(), "GOWORK=off"), l.environment...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return nil
}
