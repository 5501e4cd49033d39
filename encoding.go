package weakmap

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// encoding/gob has no tag that leaves out a field, and must know the type of a value in an
// interface. So containers with a Hasher encode themselves; the others need nothing.

// GobEncode encodes only Config. With [KeyMap.GobDecode] it lets [encoding/gob] encode and
// decode a struct that has a KeyMap in an exported field, or the address of one, whatever
// its Hasher is. A struct that embeds a KeyMap and encodes other fields by gob needs methods
// of its own, or these are promoted to it. It never returns an error.
func (m *KeyMap[K, V]) GobEncode() ([]byte, error) { return m.Config.encode(), nil }

// GobDecode sets Config to what GobEncode was given, and nothing else. Call it before the
// first use, when Config may be set. It returns an error, and sets nothing, if text was not
// made by GobEncode.
func (m *KeyMap[K, V]) GobDecode(text []byte) error { return m.Config.decode(text) }

// GobEncode encodes only Config, as [KeyMap.GobEncode] does.
func (s *Set[T]) GobEncode() ([]byte, error) { return s.Config.encode(), nil }

// GobDecode sets Config to what GobEncode was given, as [KeyMap.GobDecode] does.
func (s *Set[T]) GobDecode(text []byte) error { return s.Config.decode(text) }

// encode returns the settings as varints. Later versions may only append to them.
func (c *Config) encode() (text []byte) {
	stats := 0
	if c.Stats {
		stats = 1
	}
	for _, n := range []int{c.Shards, c.Capacity, int(c.Reclaim), c.Retain, c.RetainMax, stats} {
		text = binary.AppendVarint(text, int64(n))
	}
	return binary.AppendVarint(text, int64(c.RetainFor))
}

// decode sets c to what encode was called on. What a later version appended is not looked at.
func (c *Config) decode(text []byte) error {
	fits := true
	next := func(least, most int64) int64 {
		n, size := binary.Varint(text)
		if fits = fits && size > 0 && least <= n && n <= most; fits {
			text = text[size:]
		}
		return n
	}
	number := func() int { return int(next(math.MinInt, math.MaxInt)) }
	d := Config{
		Shards:    number(),
		Capacity:  number(),
		Reclaim:   Reclaim(next(0, math.MaxUint8)),
		Retain:    number(),
		RetainMax: number(),
		Stats:     next(0, 1) == 1,
		RetainFor: time.Duration(next(math.MinInt64, math.MaxInt64)),
	}
	if !fits {
		return errors.New("weakmap: GobDecode: these are no settings of a container")
	}
	*c = d
	return nil
}
