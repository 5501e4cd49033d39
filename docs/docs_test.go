// Package docs_test checks the documents of the repository: that their links lead somewhere and
// that the code in them is code that runs.
package docs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

// root is the repository.
const root = ".."

func TestLinksOfTheRepository(t *testing.T) {
	repository := os.DirFS(root)
	documents, err := markdown(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"README.md", "docs/design.md", "docs/migrate.md", "docs/python.md", "bench/README.md"} {
		if !slices.Contains(documents, must) {
			t.Errorf("%s is not among the documents that are checked: %q", must, documents)
		}
	}
	broken, err := brokenLinks(repository, documents)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}

func TestBrokenLinksAreFound(t *testing.T) {
	sample := fstest.MapFS{
		"a.md": {Data: []byte("# A title, with `code` & more\n\n" +
			"[good](b.md) [good](sub/c.md) [good](sub) [good](b.md#part-two) [good](#a-title-with-code--more)\n" +
			"[good](https://example.com/nowhere) [good](mailto:a@example.com) ![good](<sub/a picture.png>) [good](sub/a%20picture.png)\n" +
			"[good](b.md \"a title\") `[code](gone.md)`\n```go\n[code](gone.md)\n```\n\n    [code](gone.md)\n\n" +
			"[one](gone.md)\n[two](b.md#gone)\n![three](gone.png)\n[four](/b.md)\n[five](../outside.md)\n[six](#gone)\n[seven][ref]\n\n[ref]: gone.md\n")},
		"b.md":              {Data: []byte("## Part two\n\n## Part two\n\n[good](#part-two-1) [eight](#part-two-2)\n")},
		"sub/c.md":          {Data: []byte("[good](../a.md) [nine](a.md)\n")},
		"sub/a picture.png": {},
	}
	documents, err := markdown(sample)
	if err != nil {
		t.Fatal(err)
	}
	got, err := brokenLinks(sample, documents)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.md: gone.md: no such file", "a.md: b.md#gone: no such heading", "a.md: gone.png: no such file", "a.md: /b.md: not relative",
		"a.md: ../outside.md: no such file", "a.md: #gone: no such heading", "a.md: gone.md: no such file",
		"b.md: #part-two-2: no such heading", "sub/c.md: a.md: no such file",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// markdown returns the Markdown files of a tree, except what is hidden or not part of it.
func markdown(tree fs.FS) (files []string, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"out", "testdata", "node_modules"}, d.Name())):
			return fs.SkipDir
		case !d.IsDir() && path.Ext(name) == ".md":
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

var (
	codeBlock  = regexp.MustCompile("(?ms)^[ ]{0,3}(```+|~~~+).*?^[ ]{0,3}(```+|~~~+)[ ]*$|^\n(?:(?:    |\t)[^\n]*\n)+")
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	inlineLink = regexp.MustCompile(`\]\(\s*(?:<([^>\n]*)>|([^\s()]*))(?:\s+"[^"\n]*")?\s*\)`)
	reference  = regexp.MustCompile(`(?m)^[ ]{0,3}\[[^\]\n]+\]:\s*(\S+)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*$`)
)

// brokenLinks returns the links of documents that lead to no file or heading in the tree, with
// what is wrong. Links with a scheme lead out of it, and are not looked at.
func brokenLinks(tree fs.FS, documents []string) (broken []string, err error) {
	anchors := map[string]map[string]bool{}
	texts := map[string]string{}
	for _, name := range documents {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		texts[name] = codeBlock.ReplaceAllString(string(text), "")
		anchors[name] = anchorsOf(texts[name])
	}
	for _, name := range documents {
		text := codeSpan.ReplaceAllString(texts[name], "")
		var links []string
		for _, m := range inlineLink.FindAllStringSubmatch(text, -1) {
			links = append(links, m[1]+m[2])
		}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			links = append(links, m[1])
		}
		for _, link := range links {
			if wrong := follow(tree, anchors, name, link); wrong != "" {
				broken = append(broken, name+": "+link+": "+wrong)
			}
		}
	}
	return broken, nil
}

// follow says what is wrong with a link in a document, or "".
func follow(tree fs.FS, anchors map[string]map[string]bool, document, link string) (wrong string) {
	target, err := url.Parse(link)
	switch {
	case err != nil:
		return "not a link"
	case target.Scheme != "" || target.Host != "":
		return ""
	case strings.HasPrefix(target.Path, "/"):
		return "not relative"
	}
	file := document
	if target.Path != "" {
		file = path.Join(path.Dir(document), target.Path)
	}
	if _, err := fs.Stat(tree, file); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return "no such file"
	} else if err != nil {
		return err.Error()
	}
	if headings, ok := anchors[file]; ok && target.Fragment != "" && !headings[target.Fragment] {
		return "no such heading"
	}
	return ""
}

// anchorsOf returns the names by which the headings of a document can be linked to.
func anchorsOf(text string) map[string]bool {
	seen := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		name := anchor
		for n := 1; seen[name]; n++ {
			name = fmt.Sprintf("%s-%d", anchor, n)
		}
		seen[name] = true
	}
	return seen
}

var (
	fenced  = regexp.MustCompile("(?ms)^<!-- code: ([^\n]*) -->\n```go\n(.*?)^```$")
	goBlock = regexp.MustCompile("(?m)^```go$")
	tested  = regexp.MustCompile(`(?ms)^// doc: ([^\n]*)\n\n(.*?)\n// end$`)
)

// codeFiles have the blocks of Go of migrate.md, and run.
var codeFiles = []string{"migrate_test.go", "../examples/places/singleflight_test.go"}

// The document shows what is in codeFiles, and all of it.
func TestCodeOfTheDocs(t *testing.T) {
	document, err := os.ReadFile("migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	shown, run := blocks(fenced, string(document)), map[string]string{}
	for _, file := range codeFiles {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(run, blocks(tested, string(source)))
	}
	if all := len(goBlock.FindAllString(string(document), -1)); all != len(shown) || all == 0 {
		t.Errorf("%d blocks of Go, %d of them named", all, len(shown))
	}
	names := maps.Clone(shown)
	maps.Copy(names, run)
	for name := range names {
		if shown[name] != run[name] {
			t.Errorf("%s: the document has\n%s\nthe tested code is\n%s", name, shown[name], run[name])
		}
	}
}

// TestTheProgramOfTheReadme: it compiles, and go vet finds nothing.
func TestTheProgramOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile(path.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found || !strings.HasPrefix(program, "package main\n") {
		t.Fatalf("README begins with no program: %q", program)
	}
	file := path.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	vet := exec.Command("go", "vet", file)
	vet.Dir = root
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet of README's program: %v\n%s", err, out)
	}
}

// blocks returns the named blocks of a text.
func blocks(marked *regexp.Regexp, text string) map[string]string {
	found := map[string]string{}
	for _, m := range marked.FindAllStringSubmatch(text, -1) {
		found[m[1]] = strings.TrimSpace(m[2])
	}
	return found
}

func TestBlocks(t *testing.T) {
	document := "Text.\n\n<!-- code: a -->\n```go\nf()\n```\n\n```go\ng()\n```\n"
	source := "// doc: a\n\nf()\n\n// end\n"
	if got := blocks(fenced, document); len(got) != 1 || got["a"] != "f()" {
		t.Errorf("in the document: %q", got)
	}
	if got := blocks(tested, source); len(got) != 1 || got["a"] != "f()" {
		t.Errorf("in the source: %q", got)
	}
	if all := goBlock.FindAllString(document, -1); len(all) != 2 {
		t.Errorf("%d blocks, want 2", len(all))
	}
}
