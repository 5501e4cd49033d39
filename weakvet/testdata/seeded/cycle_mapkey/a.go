// Package seeded: a Map whose key holds its value.
package seeded

import "github.com/go-weak/weakmap"

type File struct{ name string }

type Key struct {
	file *File
	line int
}

var Lines weakmap.Map[Key, File]
