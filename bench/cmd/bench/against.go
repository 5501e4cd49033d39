package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const libraryPath = "github.com/go-weak/weakmap"

// resolve returns the commit that rev names in the repository of folder.
func resolve(ctx context.Context, folder, rev string) (commit string, err error) {
	commit, err = output(ctx, folder, "git", "rev-parse", "--verify", "--quiet", "--short=12", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("-against %s: no such revision in the repository of %s", rev, folder)
	}
	return commit, nil
}

// buildAgainst compiles the benchmarks of the module in home, as they are now, with the library
// as it was at commit. The worktree that it needs for that is gone when it returns.
func buildAgainst(ctx context.Context, home, place, commit string) (binary string, err error) {
	library := filepath.Join(place, "library")
	if _, err := output(ctx, home, "git", "worktree", "add", "--quiet", "--detach", library, commit); err != nil {
		return "", fmt.Errorf("git worktree add: %w", err)
	}
	defer func() { // after an interrupt as well
		_, _ = output(context.WithoutCancel(ctx), home, "git", "worktree", "remove", "--force", library)
	}()
	modFile := filepath.Join(place, "bench.mod")
	for _, ending := range []string{".mod", ".sum"} {
		text, err := os.ReadFile(filepath.Join(home, "go"+ending))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(place, "bench"+ending), text, 0o666); err != nil {
			return "", err
		}
	}
	if _, err := output(ctx, home, "go", "mod", "edit", "-replace="+libraryPath+"="+library, modFile); err != nil {
		return "", fmt.Errorf("go mod edit: %w", err)
	}
	binary, err = build(ctx, home, place, []string{"GOWORK=off"}, "-mod=mod", "-modfile="+modFile)
	if err != nil {
		return "", fmt.Errorf("with the library of %s: %w", commit, err)
	}
	return binary, nil
}

// benchstat returns what benchstat says of two result files.
func benchstat(ctx context.Context, home, commit string, before, after *results) (string, error) {
	verdict, err := output(ctx, home, "go", "tool", "benchstat", "-ignore", "commit,date,command,samples",
		commit+"="+before.Name(), "now="+after.Name())
	if err != nil {
		return "", fmt.Errorf("benchstat: %w", err)
	}
	return verdict, nil
}
