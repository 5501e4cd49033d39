// Package weakunheldshards has a container with settings that hold nothing.
package weakunheldshards

import "github.com/go-weak/weakmap"

type page struct{ name string }

var pages = weakmap.Map[string, page]{Config: weakmap.Config{Shards: 1}}

func init() { pages.Config.Capacity = 10 }

func warm(name string) {
	pages.Store(name, &page{name}) // want `nothing but Map\.Store has this new object`
}
