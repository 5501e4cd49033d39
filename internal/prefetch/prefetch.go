//go:build amd64 || arm64

// Package prefetch tells the processor what will be read soon.
package prefetch

import "unsafe"

// Line has the processor fetch the cache line at p, and does not wait for it.
//
//go:noescape
func Line(p unsafe.Pointer)
