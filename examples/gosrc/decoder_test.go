package main

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// A decoder reads the same labelCount label names again and again, each from bytes that it reads
// over, and keeps a string for each, as one of metrics does.
const labelCount = 1000

type decoder struct {
	name   string
	intern func(name []byte) string
}

func decoders() []decoder {
	texts, hand := new(weakmap.Strings), new(byHand)
	return []decoder{
		{"weakmap", texts.InternBytes},
		{"hand", func(name []byte) string { return hand.intern(string(name)) }},
		{"unique", func(name []byte) string { return uniqueString(string(name)) }},
		{"plain", func(name []byte) string { return string(name) }},
	}
}

// labels returns the names one after the other, and the first names that came of them.
func labels(d decoder) (names [][]byte, held []string) {
	for i := range labelCount {
		names = append(names, fmt.Appendf(nil, "kubernetes_io_label_%03d", i))
		held = append(held, d.intern(names[i]))
	}
	return names, held
}

// BenchmarkDecoder takes one name in each operation, and all are there except those of plain.
func BenchmarkDecoder(b *testing.B) {
	for _, d := range decoders() {
		b.Run("impl="+d.name, func(b *testing.B) {
			names, held := labels(d)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if held[i] = d.intern(names[i]); len(held[i]) != len(names[i]) {
					b.Fatalf("%q for %q", held[i], names[i])
				}
				i = (i + 1) % labelCount
			}
			runtime.KeepAlive(held)
		})
	}
}

// What is timed does what it is to do: the same bytes again, after collections too, without an
// allocation by Strings. Only unique, whose handles are not kept, may forget.
func TestDecoders(t *testing.T) {
	for _, d := range decoders() {
		names, held := labels(d)
		runtime.GC()
		runtime.GC()
		for i, name := range names {
			again := d.intern(name)
			if again != string(name) {
				t.Fatalf("%s: %q for %q", d.name, again, name)
			}
			shared := unsafe.StringData(again) == unsafe.StringData(held[i])
			if d.name != "unique" && shared != (d.name != "plain") {
				t.Errorf("%s: the same bytes again: %t", d.name, shared)
			}
		}
		if d.name == "weakmap" {
			if n := testing.AllocsPerRun(100, func() { d.intern(names[7]) }); n != 0 {
				t.Errorf("%s: a hit makes %v allocations", d.name, n)
			}
		}
		runtime.KeepAlive(held)
	}
}
