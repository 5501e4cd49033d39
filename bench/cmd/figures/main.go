// Figures writes the tables of the documents anew from recorded results, so that each figure in
// them is one that was measured:
//
//	go run ./bench/cmd/figures
//
// A table stands between the comments <!-- figures: NAME --> and <!-- end -->, in README.md and in
// bench/results/README.md. The results are those in bench/results. The test of this package fails
// where a document says anything else.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// documents have tables, by their paths from the root.
var documents = []string{"README.md", "bench/results/README.md"}

// recorded are the files of results.
var recorded = []string{"bench/results/core.txt", "bench/results/cache.txt"}

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./bench/cmd/figures, in the repository's root")
		os.Exit(2)
	}
	if err := rewrite("."); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func rewrite(root string) error {
	r, err := readAll(root)
	if err != nil {
		return err
	}
	for _, name := range documents {
		path := filepath.Join(root, filepath.FromSlash(name))
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := renew(string(old), r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

var place = regexp.MustCompile(`(?s)(<!-- figures: ([a-z]+) -->\n).*?(<!-- end -->)`)

// renew returns a document with all its tables made anew.
func renew(document string, r *results) (string, error) {
	var failed error
	text := place.ReplaceAllStringFunc(document, func(old string) string {
		parts := place.FindStringSubmatch(old)
		if strings.Count(old, "<!-- figures:") > 1 {
			failed = fmt.Errorf("table %s has no end", parts[2])
			return old
		}
		table := tables[parts[2]]
		if table == nil {
			failed = fmt.Errorf("no table is called %q", parts[2])
			return old
		}
		rows, err := table(r)
		if err != nil {
			failed = fmt.Errorf("table %s: %w", parts[2], err)
			return old
		}
		return parts[1] + "\n" + rows + "\n" + parts[3]
	})
	return text, failed
}
