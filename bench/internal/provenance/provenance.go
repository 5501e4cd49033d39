// Package provenance says of what a file of results is: the configuration lines of the benchmark format
// (https://go.dev/design/14313-benchmark-format) that the testing package does not write.
package provenance

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Commit returns the commit that is checked out in folder, and says whether
// anything was changed. It is "unknown" where git does not know.
func Commit(ctx context.Context, folder string) string {
	commit, err := git(ctx, folder, "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := git(ctx, folder, "status", "--porcelain", ":/"); err == nil && changes != "" {
		commit += "+changes"
	}
	return commit
}

func git(ctx context.Context, folder string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = folder
	text, err := command.Output()
	return strings.TrimSpace(string(text)), err
}

// Lines returns the lines of a run of command, with that many samples of each cell.
func Lines(commit string, samples int, command string) []string {
	return []string{
		"commit: " + commit,
		"go: " + runtime.Version(),
		fmt.Sprintf("gomaxprocs: %d", runtime.GOMAXPROCS(0)),
		fmt.Sprintf("samples: %d", samples),
		"date: " + time.Now().UTC().Format(time.DateOnly),
		"command: " + command,
	}
}
