package chart

import (
	"fmt"
	"image/color"
	"strings"
)

// A Theme is a set of colors for one background.
type Theme struct {
	Name string // light or dark
	ink  color.Color
	grid color.Color
	peer int // which of the two colors of a participant
}

// The themes that every chart is drawn in.
var (
	Light = Theme{"light", rgb(0x333b44), rgb(0xdde1e6), 0}
	Dark  = Theme{"dark", rgb(0xc5ccd4), rgb(0x3a424b), 1}
)

// peerColors are the colors of participants, on light and on dark background. A participant with
// strong pointers has the color of the weak one that does the same, in dashes.
var peerColors = map[string][2]uint32{
	"weakmap":          {0x1257c9, 0x6ea8ff},
	"weakmap-pervalue": {0x0f9bbd, 0x62d6f0},
	"weakmap-retain2":  {0x364fc7, 0x91a7ff},
	"weakmap-set":      {0x6a5acd, 0xa99cff},
	"syncmap":          {0xd9480f, 0xff8f5c},
	"rwmutex":          {0x2b8a3e, 0x69c97c},
	"sharded":          {0xb5179e, 0xee7bd8},
	"xsync3":           {0xa07800, 0xe0bb3c},
	"xsync4":           {0xc92a2a, 0xff7b7b},
	"unique":           {0x7a4a21, 0xcf9c6c},
	"singleflight":     {0x087f5b, 0x38d9a9},
	"addcleanup":       {0x7c8500, 0xcbd43a},
	"setfinalizer":     {0x862e9c, 0xd98cf0},
	"otter":            {0x5f3dc4, 0xc3b0ff},
	"lru":              {0xa61e4d, 0xf783ac},
	"floor":            {0x495057, 0xadb5bd},
	"none":             {0x868e96, 0x7a838c},
}

// unknownColors are for participants of files that this version does not know.
var unknownColors = [2]uint32{0x000000, 0xffffff}

const strongPrefix = "strong-"

// Strong reports whether a participant is one with strong pointers, drawn in dashes.
func Strong(name string) bool { return strings.HasPrefix(name, strongPrefix) }

// Color returns the color of a participant, the same in every chart of a theme.
func (t Theme) Color(name string) color.Color { return rgb(t.code(name)) }

// Hex returns the color of a participant as CSS writes it.
func (t Theme) Hex(name string) string { return fmt.Sprintf("#%06x", t.code(name)) }

func (t Theme) code(name string) uint32 {
	codes, known := peerColors[strings.TrimPrefix(name, strongPrefix)]
	if !known {
		codes = unknownColors
	}
	return codes[t.peer]
}

// verdictColors say better, worse and undecided, on light and on dark background.
var verdictColors = map[Verdict][2]uint32{
	Better:    {0x2b8a3e, 0x69c97c},
	Worse:     {0xc92a2a, 0xff7b7b},
	Undecided: {0x868e96, 0x7a838c},
}

func rgb(code uint32) color.Color {
	return color.NRGBA{R: uint8(code >> 16), G: uint8(code >> 8), B: uint8(code), A: 0xff}
}
