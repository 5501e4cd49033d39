package weakdebug_test

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weakdebug"
)

type sheet struct{ _ [48]byte }

// TestWhatIsNotCountedIsNotShown: without Config.Stats there is no number of hits and misses, not
// even 0, in Stats as text, in weakdebug's JSON or for Prometheus. With it there is, from the first
// insertion on.
func TestWhatIsNotCountedIsNotShown(t *testing.T) {
	const plain, counts = "uncounted/plain", "uncounted/counts"
	var silent weakmap.Map[string, sheet]
	counting := weakmap.Map[string, sheet]{Config: weakmap.Config{Stats: true}}
	weakdebug.Publish(plain, &silent)
	weakdebug.Publish(counts, &counting)
	defer weakdebug.Unpublish(plain)
	defer weakdebug.Unpublish(counts)
	show := func(format string) string {
		w := httptest.NewRecorder()
		weakdebug.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/?format="+format, nil))
		text, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	object := new(sheet)
	for _, m := range []*weakmap.Map[string, sheet]{&silent, &counting} {
		m.Store("a", object)
	}
	check := func(when string) {
		t.Helper()
		var report struct {
			Containers []struct {
				Name  string
				Stats map[string]any
			}
		}
		if err := json.Unmarshal([]byte(show("json")), &report); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, c := range report.Containers {
			if c.Name != plain && c.Name != counts {
				continue
			}
			found++
			for _, name := range []string{"Hits", "Misses", "Dead"} {
				if n, shown := c.Stats[name]; shown != (c.Name == counts) {
					t.Errorf("%s: JSON of %s has %s: %v", when, c.Name, name, n)
				}
			}
			if c.Stats["Entries"] != 1.0 || c.Stats["Inserts"] != 1.0 {
				t.Errorf("%s: JSON of %s is %v, want one entry", when, c.Name, c.Stats)
			}
		}
		if found != 2 {
			t.Fatalf("%d of 2 containers in the JSON", found)
		}
		text := show("prometheus")
		for _, metric := range []string{"weakmap_hits_total", "weakmap_misses_total", "weakmap_dead_misses_total"} {
			for _, name := range []string{plain, counts} {
				if shown := regexp.MustCompile(metric + `\{container="` + name + `"\}`).MatchString(text); shown != (name == counts) {
					t.Errorf("%s: Prometheus has %s of %s: %t", when, metric, name, shown)
				}
			}
		}
	}
	check("without lookups")
	for _, m := range []*weakmap.Map[string, sheet]{&silent, &counting} {
		m.Load("a")
		m.Load("a")
	}
	check("after lookups")
	if text := silent.Stats().String(); strings.Contains(text, "hits") || strings.Contains(text, "misses") {
		t.Errorf("Stats prints as %q where neither is counted", text)
	}
	if text := counting.Stats().String(); !strings.Contains(text, "2 hits, 0 misses") {
		t.Errorf("Stats prints as %q, want 2 hits and no misses told", text)
	}
	runtime.KeepAlive(object)
}
