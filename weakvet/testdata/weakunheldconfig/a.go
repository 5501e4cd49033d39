// Package weakunheldconfig has containers with settings that come from elsewhere,
// and settings that hold nothing are in weakunheldshards.
package weakunheldconfig

import "github.com/go-weak/weakmap"

type page struct{ name string }

func warm(config weakmap.Config, name string) *weakmap.Map[string, page] {
	pages := &weakmap.Map[string, page]{Config: config}
	pages.Store(name, &page{name})
	return pages
}
