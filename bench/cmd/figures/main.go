// Figures rewrites the tables of the documents from recorded results, so that each figure in
// them is one that was measured:
//
//	go run ./bench/cmd/figures
//
// A table stands between the comments <!-- figures: NAME --> and <!-- end -->, and so does a figure within a
// sentence. The results are those in bench/results, and beside them it writes the report of the first file,
// with its picture. The test of this package fails where a document says anything else.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-weak/weakmap/bench/internal/chart"
	"github.com/go-weak/weakmap/bench/internal/report"
)

// documents have such comments. They are named by their paths from the root.
var documents = []string{"README.md", "bench/results/README.md", "docs/faq.md"}

// recorded are the files of results, the full run first, and what the names of a file's cells begin with here.
var recorded = []struct{ path, prefix string }{
	{"bench/results/core.txt", ""},
	{"bench/results/go1.26.txt", usual},
	{"bench/results/go1.27.txt", newest},
	{"bench/results/cache.txt", ""},
	{"bench/results/turns.txt", ""},
}

// rendered are the files that are made of the full run as a whole.
var rendered = map[string]func(*report.Document, io.Writer) error{
	"bench/results/report.md":          (*report.Document).WriteMarkdown,
	"bench/results/overview-light.svg": func(d *report.Document, w io.Writer) error { return d.WriteOverview(w, chart.Light) },
	"bench/results/overview-dark.svg":  func(d *report.Document, w io.Writer) error { return d.WriteOverview(w, chart.Dark) },
}

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
	for name, write := range rendered {
		var text bytes.Buffer
		if err := write(r.report, &text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), text.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
}

var place = regexp.MustCompile(`(?s)(<!-- figures: ([a-z]+) -->(\n?)).*?(<!-- end -->)`)

// renew returns a document with all its figures made again.
func renew(document string, r *results) (string, error) {
	var failed error
	text := place.ReplaceAllStringFunc(document, func(old string) string {
		parts := place.FindStringSubmatch(old)
		if strings.Count(old, "<!-- figures:") > 1 {
			failed = fmt.Errorf("%s has no end", parts[2])
			return old
		}
		write := tables[parts[2]]
		if write == nil {
			failed = fmt.Errorf("nothing is called %q", parts[2])
			return old
		}
		text, err := write(r)
		if err != nil {
			failed = fmt.Errorf("%s: %w", parts[2], err)
			return old
		}
		if parts[3] == "" { // Within a sentence.
			return parts[1] + text + parts[4]
		}
		return parts[1] + "\n" + text + "\n" + parts[4]
	})
	return text, failed
}
