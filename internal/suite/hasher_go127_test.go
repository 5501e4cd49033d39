//go:build go1.27

package suite

import (
	"go/token"
	"go/types"
	"hash/maphash"
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
)

// What implements maphash.Hasher of Go 1.27 is a Hasher, and the other way round.
var (
	_ weakmap.Hasher[types.Type] = types.Hasher{}
	_ weakmap.Hasher[types.Type] = maphash.Hasher[types.Type](nil)
	_ maphash.Hasher[*record]    = weakmap.Hasher[*record](nil)
)

func TestHashersOfTheStandardLibraryFit(t *testing.T) {
	set := weakmap.Set[types.Type]{Hasher: weakmap.ByValue(types.Hasher{})}
	slice := func(of types.Type) *types.Type {
		var s types.Type = types.NewSlice(of)
		return &s
	}
	tagged := func(tag string) *types.Type {
		var s types.Type = types.NewStruct([]*types.Var{types.NewField(token.NoPos, nil, "F", types.Typ[types.Int], false)}, []string{tag})
		return &s
	}
	ints, strings := slice(types.Typ[types.Int]), slice(types.Typ[types.String])
	for i, c := range []struct {
		elem, want *types.Type
		loaded     bool
	}{
		{ints, ints, false},
		{slice(types.Typ[types.Int]), ints, true},
		{strings, strings, false},
		{slice(types.Typ[types.String]), strings, true},
	} {
		if member, loaded := set.LoadOrAdd(c.elem); member != c.want || loaded != c.loaded {
			t.Errorf("%d: LoadOrAdd(%v) = %v, %v", i, *c.elem, *member, loaded)
		}
	}
	one, other := tagged("a"), tagged("b")
	if set.Add(one); !set.Add(other) {
		t.Error("types.Hasher takes structs with different tags for the same")
	}
	ignoring := weakmap.Set[types.Type]{Hasher: weakmap.ByValue(types.HasherIgnoreTags{})}
	if ignoring.Add(one); ignoring.Add(other) {
		t.Error("types.HasherIgnoreTags takes structs with different tags for different")
	}

	words := weakmap.KeyMap[string, int]{Hasher: weakmap.ByValue(maphash.ComparableHasher[string]{})}
	key, equal := new(string), new(string)
	*key, *equal = "word", "word"
	words.Store(key, 1)
	if bound, v, ok := words.LoadKey(equal); bound != key || v != 1 || !ok {
		t.Errorf("LoadKey = %p, %d, %v", bound, v, ok)
	}
	runtime.KeepAlive([]any{ints, strings, one, key})
}
