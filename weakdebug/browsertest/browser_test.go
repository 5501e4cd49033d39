// Package browsertest opens the page of weakdebug in a real browser. It is a
// module of its own, so that importers of the library carry none of what that
// takes.
package browsertest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	script "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weakdebug"
)

// browsers are the names by which a browser of the Chromium family may be
// installed. The variable CHROMIUM names another.
var browsers = []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "headless-shell"}

// start returns a browser without a window, which ends with the test. It skips
// the test if there is none.
func start(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range browsers {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium found: install it, or set CHROMIUM to its path")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	// Cancel waits until the browser is gone, and lets go of its folder.
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return ctx
}

// do runs steps in the tab of ctx.
func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// ask runs a step that has a result.
func ask[T any](t *testing.T, ctx context.Context, step chromedp.Action[T]) T {
	t.Helper()
	result, err := chromedp.Run(ctx, step)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// until waits for a condition in JavaScript.
func until(condition string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(50*time.Millisecond))
}

// serve serves the page, and returns its address.
func serve(t *testing.T) string {
	mux := http.NewServeMux()
	mux.Handle("/debug/weakmap", weakdebug.Handler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/debug/weakmap"
}

// A visit is what a tab did.
type visit struct {
	mu       sync.Mutex
	requests []string // their addresses. Guarded by mu.
	trouble  []string // errors, and what the page's policy refused. Guarded by mu.
}

// watch records what the tab of ctx does from now on.
func watch(t *testing.T, ctx context.Context) *visit {
	t.Helper()
	v := new(visit)
	do(t, ctx)
	if err := chromedp.Listen(ctx, func(event any) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			v.requests = append(v.requests, e.Request.URL)
		case *log.EventEntryAdded:
			v.trouble = append(v.trouble, e.Entry.Text)
		case *script.EventExceptionThrown:
			v.trouble = append(v.trouble, e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

// check fails the test if the tab asked for anything but the page at address, or
// met with trouble.
func (v *visit) check(t *testing.T, address string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, url := range v.requests {
		if url != address && url != "data:," {
			t.Errorf("a request went to %s", url)
		}
	}
	if len(v.requests) < 2 {
		t.Errorf("%d requests, want the page and refreshes", len(v.requests))
	}
	for _, text := range v.trouble {
		t.Errorf("the browser says: %s", text)
	}
}

// asked returns how many requests there were.
func (v *visit) asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.requests)
}

// overhanging is the elements that reach beyond the window's sides, as a string for each.
const overhanging = `[...document.querySelectorAll("body *")].filter(e => {
	const box = e.getBoundingClientRect();
	return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1);
}).map(e => e.tagName + " " + e.className + " " + e.textContent.trim().slice(0, 40))`

// squeezed is the figures whose text is cut off or runs into the next one.
const squeezed = `[...document.querySelectorAll(".figure b, .figure small, thead th")].filter(e =>
	e.getBoundingClientRect().width > 1 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline"
).map(e => e.tagName + " " + e.textContent)`

func TestThePage(t *testing.T) {
	browser := start(t)
	address := serve(t)
	live(t)
	for _, width := range []int64{400, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("width=%d/scheme=%s", width, scheme), func(t *testing.T) {
				t.Parallel()
				tab, cancel := chromedp.NewContext(browser)
				defer cancel()
				visit := watch(t, tab)
				if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				}); err != nil {
					t.Fatal(err)
				}
				do(t, tab, chromedp.EmulateViewport(width, 900, chromedp.EmulateScale(2)), chromedp.Navigate(address),
					// The path of a plot has a step for each refresh.
					until(`document.querySelector("tr[data-name=files] .plot .line")?.getAttribute("d").split("L").length >= `+refreshes()))
				if ask(t, tab, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)) {
					t.Error("the page scrolls sideways")
				}
				if over := ask(t, tab, chromedp.Evaluate[[]string](overhanging)); len(over) > 0 {
					t.Errorf("beyond the sides: %q", over)
				}
				if cut := ask(t, tab, chromedp.Evaluate[[]string](squeezed)); len(cut) > 0 {
					t.Errorf("cut off: %q", cut)
				}
				ground := ask(t, tab, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))
				if dark := regexp.MustCompile(`^rgb\(\d\d?, `).MatchString(ground); dark != (scheme == "dark") {
					t.Errorf("the ground is %s with scheme %s", ground, scheme)
				}
				save(t, fmt.Sprintf("%d-%s.png", width, scheme), ask(t, tab, chromedp.FullScreenshot(100)))
				visit.check(t, address)
			})
		}
	}
}

// refreshes is how many refreshes to wait for: more of them make a plot that is
// worth looking at.
func refreshes() string {
	return cmp.Or(os.Getenv("WEAKMAP_REFRESHES"), "3")
}

// save writes a screenshot into the folder that WEAKMAP_SCREENSHOTS names, if it does.
func save(t *testing.T, name string, picture []byte) {
	t.Helper()
	folder := os.Getenv("WEAKMAP_SCREENSHOTS")
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// text returns JavaScript that gives the text of a container's figure, or null.
func text(container, figure string) string {
	return fmt.Sprintf(`document.querySelector("tr[data-name=%s] .figure[data-label=%s] b")?.textContent ?? null`, container, figure)
}

// Rows change, come and go, while Pause is off.
func TestRowsRefresh(t *testing.T) {
	tab, address := start(t), serve(t)
	first, second, elem := new(set), new(set), new(page)
	weakdebug.Publish("first", first)
	do(t, tab, chromedp.Navigate(address), until(text("first", "Entries")+` === "0"`))
	first.Add(elem)
	weakdebug.Publish("second", second)
	do(t, tab, until(text("first", "Entries")+` === "1"`), chromedp.WaitVisible(chromedp.CSS("tr[data-name=second]")),
		chromedp.Click(chromedp.CSS("#pause")), chromedp.Sleep(time.Second)) // for a refresh that was under way
	weakdebug.Unpublish("first")
	visit := watch(t, tab)
	do(t, tab, chromedp.Sleep(3*time.Second), until(text("first", "Entries")+` === "1"`))
	if n := visit.asked(); n > 0 {
		t.Errorf("%d requests while paused", n)
	}
	do(t, tab, chromedp.Click(chromedp.CSS("#pause")), chromedp.WaitNotPresent(chromedp.CSS("tr[data-name=first]")),
		chromedp.WaitVisible(chromedp.CSS("tr[data-name=second]")))
	if visit.asked() == 0 {
		t.Error("no request was seen: those while paused would not have been either")
	}
	weakdebug.Unpublish("second")
	do(t, tab, chromedp.WaitVisible(chromedp.CSS(".none")))
	runtime.KeepAlive(elem)
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
}

// The button of a KeyMap says what it costs, and leads to the cycles.
func TestTheButtonLooksForCycles(t *testing.T) {
	tab, address := start(t), serve(t)
	views, key := new(weakmap.KeyMap[page, **page]), new(page) //weakvet:ignore weakcycle a cycle that is to be found
	views.Store(key, &key)
	weakdebug.Publish("views", views)
	button := chromedp.CSS("tr[data-name=views] a.button")
	do(t, tab, chromedp.Navigate(address), chromedp.WaitVisible(button))
	if said := ask(t, tab, chromedp.Text(button)); !strings.Contains(said, "100,000 objects, unlocked") {
		t.Errorf("the button says %q", said)
	}
	do(t, tab, chromedp.Click(button), chromedp.WaitVisible(chromedp.CSS("pre")))
	if said := ask(t, tab, chromedp.Text(chromedp.CSS("pre"))); !strings.Contains(said, "1  *page → .*") {
		t.Errorf("behind the button stands %q", said)
	}
	weakdebug.Unpublish("views")
	runtime.KeepAlive(views)
}

// When the server no longer answers the page says so, and goes on when it does again.
func TestThePageSaysWhenNobodyAnswers(t *testing.T) {
	tab := start(t)
	var refusing atomic.Bool
	handler := weakdebug.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusing.Load() {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	live, lost := chromedp.WaitVisible(chromedp.CSS("#state.live")), chromedp.WaitVisible(chromedp.CSS("#state.lost"))
	do(t, tab, chromedp.Navigate(server.URL), live)
	refusing.Store(true)
	do(t, tab, lost)
	if said := ask(t, tab, chromedp.Text(chromedp.CSS("#state"))); !strings.HasPrefix(said, "no answer since ") {
		t.Errorf("the page says %q", said)
	}
	refusing.Store(false)
	do(t, tab, live)
}
