package weakdebug

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// Handler returns a handler that shows the published containers: as a page, with
// ?format=json as JSON, with ?format=prometheus as Prometheus text. Another
// format is a bad request. It does not care under which path it is served.
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
	f, ok := forms[r.URL.Query().Get("format")]
	if !ok {
		http.Error(w, "weakdebug: format must be html, json or prometheus", http.StatusBadRequest)
		return
	}
	var body bytes.Buffer
	if err := f.write(&body, newReport()); err != nil {
		http.Error(w, "weakdebug: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body.Bytes()) // If the client has gone, nobody is left to be told.
	}
}

func writeJSON(w *bytes.Buffer, r *report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "\t")
	return encoder.Encode(r)
}
