package main

import (
	"runtime"
	"sync"
	"unique"
	"unsafe"
	"weak"
)

// uniqueString returns the string of a handle that is not kept: equal strings share their bytes
// until the next collections.
func uniqueString(name string) string { return unique.Make(name).Value() }

// byHand makes strings canonical as Strings does, with a sync.Map and the runtime's weak pointers.
// It finds a string by a copy, since the bytes of a key are held.
type byHand struct {
	entries sync.Map // string → weak.Pointer[byte]
}

func (h *byHand) intern(name string) string {
	if name == "" {
		return ""
	}
	for {
		if entry, ok := h.entries.Load(name); ok {
			p := entry.(weak.Pointer[byte])
			if at := p.Value(); at != nil {
				return unsafe.String(at, len(name))
			}
			h.entries.CompareAndDelete(name, p)
		}
		// Objects without pointers below 16 bytes share memory, and do not die one by one.
		at := unsafe.SliceData(append(make([]byte, 0, max(len(name), 16)), name...))
		p, key := weak.Make(at), string(unsafe.Slice(at, len(name)))
		if _, loaded := h.entries.LoadOrStore(key, p); !loaded {
			runtime.AddCleanup(at, func(key string) { h.entries.CompareAndDelete(key, p) }, key)
			return unsafe.String(at, len(name))
		}
	}
}

// Len counts the entries.
func (h *byHand) Len() (n int) {
	h.entries.Range(func(any, any) bool { n++; return true })
	return n
}
