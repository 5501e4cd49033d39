package weakdebug

import (
	"encoding/json"
	"expvar"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/inspect"
)

// do asks the handler over a real connection.
func do(t *testing.T, method, query string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(Handler())
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/debug/weakmap"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// get returns the body of a form, which must come with status 200.
func get(t *testing.T, query string) string {
	t.Helper()
	response, body := do(t, http.MethodGet, query)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", query, response.Status)
	}
	return body
}

func TestForms(t *testing.T) {
	for query, want := range map[string]string{
		"":                   "text/html; charset=utf-8",
		"?format=":           "text/html; charset=utf-8",
		"?format=html":       "text/html; charset=utf-8",
		"?format=json":       "application/json",
		"?format=prometheus": "text/plain; version=0.0.4; charset=utf-8",
	} {
		response, body := do(t, http.MethodGet, query)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != want || body == "" {
			t.Errorf("GET %s: %s, %s, %d bytes; want 200 and %s", query, response.Status, got, len(body), want)
		}
		head, none := do(t, http.MethodHead, query)
		if head.StatusCode != http.StatusOK || none != "" || head.Header.Get("Content-Type") != want || head.ContentLength <= 0 {
			t.Errorf("HEAD %s: %s, %d bytes of %d, %v", query, head.Status, len(none), head.ContentLength, head.Header)
		}
		for name, value := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := response.Header.Get(name); got != value {
				t.Errorf("GET %s: %s is %q, want %q", query, name, got, value)
			}
		}
	}
}

func TestHeadWritesNoBodyItself(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/debug/weakmap", nil))
	if w.Body.Len() > 0 {
		t.Errorf("the handler wrote %d bytes", w.Body.Len())
	}
}

func TestOnlyReading(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"} {
		response, _ := do(t, method, "?format=json")
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %s, Allow %q; want 405 and GET, HEAD", method, response.Status, response.Header.Get("Allow"))
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	response, body := do(t, http.MethodGet, "?format=xml")
	if response.StatusCode != http.StatusBadRequest || body != "weakdebug: format must be html, json, prometheus or cycles\n" {
		t.Errorf("%s: %q, want 400 and what the formats are", response.Status, body)
	}
}

// The page holds all it needs, and its policy lets in nothing else.
func TestPageIsSelfContained(t *testing.T) {
	response, page := do(t, http.MethodGet, "")
	policy := response.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy allows something unsafe: %s", policy)
	}
	for _, element := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 || !strings.Contains(policy, element+"-src "+sourceHash(found[0][1])) {
			t.Errorf("%d elements %s, want one whose hash is in the policy: %s", len(found), element, policy)
		}
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if link[1] != "data:," && !strings.HasPrefix(link[1], "?format=") {
			t.Errorf("the page refers to %s", link[1])
		}
	}
	if attribute := regexp.MustCompile(` (?:style|on[a-z]+)="`).FindString(page); attribute != "" {
		t.Errorf("an attribute that the policy forbids: %s", attribute)
	}
}

// nasty would break out of anything that does not escape.
const nasty = "a\"b\\c\nd</script><img src=x>&amp;{}é"

func TestNamesAreEscaped(t *testing.T) {
	publish(t, nasty, &spy{stats: weakmap.Stats{Entries: 3}})
	if page := get(t, ""); strings.Contains(page, "<img") {
		t.Error("the page has the name's element")
	}
	var r report
	if err := json.Unmarshal([]byte(get(t, "?format=json")), &r); err != nil || r.Containers[0].Name != nasty {
		t.Errorf("JSON: %v, name %q", err, r.Containers[0].Name)
	}
	if n := parsePrometheus(t, get(t, "?format=prometheus"))["weakmap_entries"].samples[nasty]; n != 3 {
		t.Errorf("Prometheus: %v entries, want 3", n)
	}
}

// full publishes a container of which everything is known, and one of which
// only its Stats are.
func full(t *testing.T) {
	m, plain := new(weakmap.Map[string, item]), &spy{}
	publish(t, "plain", plain)
	s := &spy{stats: weakmap.Stats{Entries: 30, Capacity: 120, Hits: 9, Misses: 3, Dead: 1, Inserts: 12_345_678, Reaped: 20, Deleted: 12_345_628, Retained: 25, Evicted: 2_345}}
	publish(t, "full", s)
	publish(t, "unused", m)
	withEngine(t, engine{due: 7, figures: map[any]inspect.Figures{
		s: {Shards: []int{5, 15, 10}, ReportsDue: 4, RetainMax: 24,
			LastPass: inspect.Pass{Collection: 42, Lag: 2500 * time.Microsecond, Entries: 40, Dead: 10}},
		m: {Shards: []int{0}},
	}})
}

func TestJSON(t *testing.T) {
	full(t)
	var r report
	if err := json.Unmarshal([]byte(get(t, "?format=json")), &r); err != nil {
		t.Fatal(err)
	}
	four, due, bound, rate := 4, 7, 24, 0.75
	if want := (row{Name: "full", Type: "weakdebug.spy", HitRate: &rate,
		Stats:  weakmap.Stats{Entries: 30, Capacity: 120, Hits: 9, Misses: 3, Dead: 1, Inserts: 12_345_678, Reaped: 20, Deleted: 12_345_628, Retained: 25, Evicted: 2_345},
		Shards: []int{5, 15, 10}, LastPass: &pass{42, 0.0025, 40, 10}, ReportsDue: &four, RetainMax: &bound,
	}); !reflect.DeepEqual(r.Containers[0], want) {
		t.Errorf("a container is %+v, want %+v", r.Containers[0], want)
	}
	if want := (row{Name: "plain", Type: "weakdebug.spy"}); !reflect.DeepEqual(r.Containers[1], want) {
		t.Errorf("a container without figures of the engine is %+v, want %+v", r.Containers[1], want)
	}
	if p := r.Process; p.Go != runtime.Version() || p.Goroutines == 0 || p.HeapObjectsBytes == 0 || p.CallbacksDue != due {
		t.Errorf("the process is %+v", p)
	}
	if age := time.Since(r.Time); age < 0 || age > time.Minute {
		t.Errorf("the time is %v", r.Time)
	}
}

func TestCollectionsAreCounted(t *testing.T) {
	before := newReport().Process.Collections
	runtime.GC()
	if after := newReport().Process.Collections; after <= before {
		t.Errorf("%d collections after one more than %d", after, before)
	}
}

func TestPage(t *testing.T) {
	full(t)
	page := get(t, "")
	_, line, _ := strings.Cut(page, `<tr data-name="full">`)
	line, _, _ = strings.Cut(line, "</tr>")
	for _, want := range []string{
		`<b>30</b>`, `25.0 % in use`, `<b>75.0 %</b><small>of 12</small>`, `data-plot="share" data-count="9" data-whole="12"`,
		`<b>33.3 %</b><small>of 3</small>`, `data-plot="share" data-count="1" data-whole="3"`,
		`<b title="12,345,678">12.35 M</b>`, `<b>75.0 %</b><small>of 40</small>`, `<b>2.5 ms</b><small>at collection 42</small>`,
		`<b>25</b><small>of 24, 2,345 evicted</small>`, `<b>4</b>`, `fullest 1.50×`, `viewBox="0 0 3 1"`, `d="M0 1V0.667h.8V1zM1 1V0h.8V1zM2 1V0.333h.8V1z"`,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the row lacks %s:\n%s", want, line)
		}
	}
	if name := `<th scope="row">full<wbr><small>weakdebug.<wbr>spy<wbr></small></th>`; !strings.Contains(line, name) {
		t.Errorf("the row lacks %s:\n%s", name, line)
	}
	_, line, _ = strings.Cut(page, `<tr data-name="plain">`)
	line, _, _ = strings.Cut(line, "</tr>")
	if n := strings.Count(line, "–"); n != 6 {
		t.Errorf("%d figures are shown as not known, want the hit rate, the dead and the engine's four:\n%s", n, line)
	}
}

// What a pass found long ago says nothing about a container that is empty since.
func TestPageOfAnEmptiedContainer(t *testing.T) {
	emptied := &spy{}
	publish(t, "emptied", emptied)
	withEngine(t, engine{figures: map[any]inspect.Figures{
		emptied: {Shards: []int{0}, LastPass: inspect.Pass{Collection: 21, Entries: 1, Dead: 1}},
	}})
	if page := get(t, ""); strings.Contains(page, "collection 21") || strings.Contains(page, "0.0 %") {
		t.Errorf("the page shows what the last pass found:\n%s", page)
	}
}

func TestPageWithoutContainers(t *testing.T) {
	if page := get(t, ""); !strings.Contains(page, "No container is published") || strings.Contains(page, "<table>") {
		t.Error("the page does not say that there are no containers")
	}
}

func TestVars(t *testing.T) {
	full(t)
	var v expvar.Var = Vars{}
	var r report
	if err := json.Unmarshal([]byte(v.String()), &r); err != nil || len(r.Containers) != 3 {
		t.Errorf("%v, %d containers", err, len(r.Containers))
	}
}

// A family is one metric as a Prometheus server reads it.
type family struct {
	kind    string
	samples map[string]float64 // by container, or ""
}

var (
	helpLine   = regexp.MustCompile(`^# HELP ([a-z_]+) ([^\\]+)$`)
	typeLine   = regexp.MustCompile(`^# TYPE ([a-z_]+) (gauge|counter)$`)
	sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{container=("(?:[^"\\]|\\[\\n"])*")\})? ([0-9.]+)$`)
)

// parsePrometheus reads the text form strictly: HELP, TYPE, then the samples of
// each metric together.
func parsePrometheus(t *testing.T, text string) map[string]family {
	t.Helper()
	all, current := map[string]family{}, ""
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if help := helpLine.FindStringSubmatch(lines[i]); help != nil {
			i++
			kind := typeLine.FindStringSubmatch(lines[i])
			if kind == nil || kind[1] != help[1] || all[help[1]].kind != "" {
				t.Fatalf("after %q comes %q", lines[i-1], lines[i])
			}
			current = help[1]
			all[current] = family{kind[2], map[string]float64{}}
			continue
		}
		sample := sampleLine.FindStringSubmatch(lines[i])
		if sample == nil || sample[1] != current {
			t.Fatalf("line %d is no sample of %s: %q", i+1, current, lines[i])
		}
		name, err := "", error(nil)
		if sample[2] != "" {
			name, err = strconv.Unquote(sample[2])
		}
		value, err2 := strconv.ParseFloat(sample[3], 64)
		if _, twice := all[current].samples[name]; err != nil || err2 != nil || twice {
			t.Fatalf("line %d: %q: %v, %v", i+1, lines[i], err, err2)
		}
		all[current].samples[name] = value
	}
	return all
}

func TestPrometheus(t *testing.T) {
	full(t)
	all := parsePrometheus(t, get(t, "?format=prometheus"))
	for name, f := range all {
		if (f.kind == counter) != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, f.kind)
		}
		if len(f.samples) == 0 {
			t.Errorf("%s has no samples", name)
		}
	}
	for metric, want := range map[string]map[string]float64{
		"weakmap_entries":               {"full": 30, "plain": 0, "unused": 0},
		"weakmap_capacity_slots":        {"full": 120, "plain": 0, "unused": 0},
		"weakmap_hits_total":            {"full": 9},
		"weakmap_misses_total":          {"full": 3},
		"weakmap_dead_misses_total":     {"full": 1},
		"weakmap_inserts_total":         {"full": 12_345_678, "plain": 0, "unused": 0},
		"weakmap_reaped_total":          {"full": 20, "plain": 0, "unused": 0},
		"weakmap_deleted_total":         {"full": 12_345_628, "plain": 0, "unused": 0},
		"weakmap_retained":              {"full": 25, "plain": 0, "unused": 0},
		"weakmap_retained_max":          {"full": 24},
		"weakmap_evicted_total":         {"full": 2_345, "plain": 0, "unused": 0},
		"weakmap_shards":                {"full": 3, "unused": 1},
		"weakmap_fullest_shard_entries": {"full": 15, "unused": 0},
		"weakmap_reap_lag_seconds":      {"full": 0.0025},
		"weakmap_live_ratio":            {"full": 0.75},
		"weakmap_reports_due":           {"full": 4, "unused": 0},
		"weakmap_callbacks_due":         {"": 7},
	} {
		if got := all[metric].samples; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", metric, got, want)
		}
	}
	for _, metric := range []string{"weakmap_collections_total", "weakmap_heap_live_bytes", "weakmap_heap_objects_bytes"} {
		if len(all[metric].samples) != 1 {
			t.Errorf("%s has %d samples, want 1", metric, len(all[metric].samples))
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 999_999: "999,999", 1_000_000: "1.00 M", 2_500_000_000: "2.50 G"} {
		if got := short(n); got != want {
			t.Errorf("short(%d) = %s, want %s", n, got, want)
		}
	}
	for seconds, want := range map[float64]string{0.00025: "250 µs", 0.0025: "2.5 ms", 1.5: "1500.0 ms"} {
		if got := lag(seconds); got != want {
			t.Errorf("lag(%v) = %s, want %s", seconds, got, want)
		}
	}
}

type note struct{ of *item }

// What the button shows: each path once, with how many entries have it.
func TestCyclesOfAPublishedKeyMap(t *testing.T) {
	m, keys := new(weakmap.KeyMap[item, *note]), [3]item{} //weakvet:ignore weakcycle a cycle that is to be found
	for i := range keys {
		m.Store(&keys[i], &note{&keys[i]})
	}
	publish(t, nasty, m)
	publish(t, "map", new(weakmap.Map[string, item]))
	publish(t, "set", new(weakmap.Set[item]))
	page := get(t, "")
	buttons := regexp.MustCompile(`<a class="button" role="button" href="([^"]*)" title="([^"]*)">`).FindAllStringSubmatch(page, -1)
	if len(buttons) != 1 || !strings.Contains(buttons[0][2], "without a lock") {
		t.Fatalf("buttons %q, want one for the KeyMap that says what it costs", buttons)
	}
	text := get(t, html.UnescapeString(buttons[0][1]))
	if !strings.Contains(text, "3  *item → .of\n") || !strings.HasPrefix(text, nasty+": values that lead back") {
		t.Errorf("the cycles are %q, want one path of three entries", text)
	}
	if response, none := do(t, http.MethodHead, html.UnescapeString(buttons[0][1])); response.StatusCode != http.StatusOK || none != "" || response.ContentLength >= 0 {
		t.Errorf("HEAD: %s, %q, length %d; want an unknown length", response.Status, none, response.ContentLength)
	}
	m.Clear()
	if text := get(t, html.UnescapeString(buttons[0][1])); !strings.Contains(text, "no value leads back") {
		t.Errorf("the cycles of an empty map are %q", text)
	}
	for _, name := range []string{"map", "set", "nothing"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if response, _ := do(t, method, "?format=cycles&name="+name); response.StatusCode != http.StatusNotFound {
				t.Errorf("%s of the cycles of %s: %s, want 404", method, name, response.Status)
			}
		}
	}
}
