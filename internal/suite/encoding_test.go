package suite

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/go-weak/weakmap"
)

// An article is what the containers of a catalog hold weakly. It has a pointer, so that the
// collector reports the death of each one by itself.
type article struct{ _ [6]*int }

// A catalog is a struct of a user who puts containers among fields that are encoded.
type catalog struct {
	Name     string
	ByName   weakmap.Map[string, article]
	ByItem   weakmap.KeyMap[article, int]
	Items    weakmap.Set[article]
	Words    weakmap.Interner[string]
	Latest   weakmap.Cell[article]
	Borrowed *weakmap.Map[string, article]
}

// newCatalog returns one whose settings are all set, functions too, and whose containers are in use.
func newCatalog() *catalog {
	c := &catalog{Name: "spring", Borrowed: new(weakmap.Map[string, article])}
	for _, m := range []*weakmap.Map[string, article]{&c.ByName, c.Borrowed} {
		m.Config = weakmap.Config{Shards: 2, Capacity: 10, Reclaim: weakmap.PerValue, Stats: true}
		m.Hash = func(s string) uint64 { return uint64(len(s)) }
		m.OnReap = func(string) {}
	}
	c.ByItem.Config.Shards = 4
	c.ByItem.OnReap = func(int) {}
	c.Items.Config.Retain = 1
	c.Words.Config.Stats = true
	c.Words.Hash = c.ByName.Hash
	c.Words.Clone = func(s string) string { return s }
	object := new(article)
	c.ByName.Store("a", object)
	c.Borrowed.Store("a", object)
	c.ByItem.Store(object, 1)
	c.Items.Add(object)
	c.Words.Intern("a")
	c.Latest.Store(object)
	return c
}

// TestAStructWithContainersIsEncoded: by each encoder of the standard library. The settings that are
// values come back, functions and entries do not, and what comes back is ready to use.
func TestAStructWithContainersIsEncoded(t *testing.T) {
	for name, recode := range map[string]func(from, to any) error{
		"json": func(from, to any) error {
			text, err := json.Marshal(from)
			if err != nil {
				return err
			}
			return json.Unmarshal(text, to)
		},
		"xml": func(from, to any) error {
			text, err := xml.Marshal(from)
			if err != nil {
				return err
			}
			return xml.Unmarshal(text, to)
		},
		"gob": func(from, to any) error {
			var text bytes.Buffer
			if err := gob.NewEncoder(&text).Encode(from); err != nil {
				return err
			}
			return gob.NewDecoder(&text).Decode(to)
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := newCatalog(), new(catalog)
			if err := recode(from, to); err != nil {
				t.Fatal(err)
			}
			if to.Name != from.Name || to.Borrowed == nil {
				t.Fatalf("name %q, a map by pointer at %p", to.Name, to.Borrowed)
			}
			for container, configs := range map[string][2]weakmap.Config{
				"Map":      {from.ByName.Config, to.ByName.Config},
				"*Map":     {from.Borrowed.Config, to.Borrowed.Config},
				"KeyMap":   {from.ByItem.Config, to.ByItem.Config},
				"Set":      {from.Items.Config, to.Items.Config},
				"Interner": {from.Words.Config, to.Words.Config},
			} {
				if configs[0] != configs[1] {
					t.Errorf("%s: settings %+v, want %+v", container, configs[1], configs[0])
				}
			}
			if to.ByName.Hash != nil || to.ByName.OnReap != nil || to.ByItem.OnReap != nil || to.Words.Hash != nil || to.Words.Clone != nil {
				t.Error("a function came from somewhere")
			}
			if n := to.ByName.Len() + to.Borrowed.Len() + to.ByItem.Len() + to.Items.Len() + to.Words.Len(); n != 0 {
				t.Errorf("%d entries came with it", n)
			}
			object := new(article)
			to.ByName.Store("b", object)
			to.ByItem.Store(object, 2)
			got, _ := to.ByName.Load("b")
			n, _ := to.ByItem.Load(object)
			if got != object || n != 2 || !to.Items.Add(object) || *to.Words.Intern("b") != "b" {
				t.Error("the containers that came back do not work")
			}
		})
	}
}
