package weakdebug

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// Handler returns a handler that shows the published containers: as a page, with
// ?format=json as JSON, with ?format=prometheus as Prometheus text. With
// ?format=cycles&name=… it looks for [Cycles] in a published KeyMap, at 100,000
// objects at most, and answers with text; the page has a button for that. Any other
// format is a bad request. The handler can be served under any path.
func Handler() http.Handler { return handler{} }

type handler struct{}

// A form is one of the ways to show a report.
type form struct {
	contentType string
	write       func(*bytes.Buffer, *report) error
}

// forms are the values of ?format=.
var forms = map[string]form{
	"":           {"text/html; charset=utf-8", writePage},
	"html":       {"text/html; charset=utf-8", writePage},
	"json":       {"application/json", writeJSON},
	"prometheus": {"text/plain; version=0.0.4; charset=utf-8", writePrometheus},
}

func (handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", securityPolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "weakdebug: only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	query := r.URL.Query()
	if query.Get("format") == "cycles" {
		serveCycles(w, r, query.Get("name"))
		return
	}
	f, ok := forms[query.Get("format")]
	if !ok {
		http.Error(w, "weakdebug: format must be html, json, prometheus or cycles", http.StatusBadRequest)
		return
	}
	var body bytes.Buffer
	if err := f.write(&body, newReport()); err != nil {
		http.Error(w, "weakdebug: "+err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, r, f.contentType, &body)
}

// serveCycles answers a GET with the cycles of a container; a HEAD looks for none.
func serveCycles(w http.ResponseWriter, r *http.Request, name string) {
	entries, ok := published.attached(name)
	if !ok {
		http.Error(w, "weakdebug: no KeyMap is published under that name", http.StatusNotFound)
		return
	}
	const contentType = "text/plain; charset=utf-8"
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", contentType)
		return
	}
	var body bytes.Buffer
	writeCycles(&body, name, cycles(entries, cyclesLimit))
	send(w, r, contentType, &body)
}

func send(w http.ResponseWriter, r *http.Request, contentType string, body *bytes.Buffer) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body.Bytes()) // If the client has gone, there is no one to report an error to.
	}
}

func writeJSON(w *bytes.Buffer, r *report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "\t")
	return encoder.Encode(r)
}
