// Package weakunheldretainfor has containers that hold what they store, for a time.
package weakunheldretainfor

import (
	"time"

	"github.com/go-weak/weakmap"
)

type page struct{ name string }

var (
	texts  weakmap.Strings
	titles weakmap.KeyMap[page, string]
)

func init() {
	texts.Config.RetainFor = time.Minute
	titles.Config.RetainFor = time.Minute
}

func warm(name string) {
	texts.Intern(name)
	titles.Store(&page{name}, name)
}
