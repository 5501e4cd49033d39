package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// GoSource returns the directory of the Go standard library's sources. It asks the go command:
// a program built with -trimpath does not know where its Go lives.
func GoSource() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		return "", Usagef("cannot find the Go standard library (`go env GOROOT` failed); name a directory with -dir")
	}
	return filepath.Join(root, "src"), nil
}

// Files returns the path of every file below dir that is wanted, in lexical order. It does not
// descend into symbolic links, and leaves out what is neither a file nor a link to one. What cannot
// be looked at, a subdirectory included, is returned as a path: reading it gives the error. Files
// returns a UsageError if dir is not a readable directory, or as soon as the files sum up to more
// than limit bytes.
func Files(dir string, limit int64, want func(path string) bool) ([]string, error) {
	// The walk does not follow a link, not even the one it is given; several distributions of Go
	// link GOROOT/src to somewhere else.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, Usagef("cannot open directory %s: %v", dir, cause(err))
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return nil, Usagef("%s is not a directory", dir)
	}
	var paths []string
	var total int64
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return err
		case err == nil && (d.IsDir() || !want(path)):
			return nil
		}
		switch info, err := os.Stat(path); {
		case err != nil || info.IsDir() && !isLink(d):
			paths = append(paths, path)
		case info.Mode().IsRegular():
			paths = append(paths, path)
			total += info.Size()
		}
		if total > limit {
			return TooLarge(dir, limit)
		}
		return nil
	})
	if _, ok := errors.AsType[*UsageError](err); ok {
		return nil, err
	}
	if err != nil {
		return nil, Usagef("cannot read directory %s: %v", dir, cause(err))
	}
	return paths, nil
}

func isLink(d fs.DirEntry) bool { return d != nil && d.Type()&fs.ModeSymlink != 0 }

// TooLarge returns the UsageError for a directory of more than limit bytes.
func TooLarge(dir string, limit int64) error {
	return Usagef("%s holds more than %d MiB (see -limit)", dir, limit>>20)
}

// cause strips the operation and the path from an error about a file: the caller names both.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// A UsageError is a mistake of the person who called the program.
type UsageError struct{ message string }

func (e *UsageError) Error() string { return e.message }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}
