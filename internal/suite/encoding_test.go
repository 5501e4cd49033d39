package suite

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/maphash"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-weak/weakmap"
)

// A catalog is a struct of a user who puts containers among fields that are encoded.
type catalog struct {
	Name     string
	ByName   weakmap.Map[string, record]
	ByItem   weakmap.KeyMap[record, int]
	Items    weakmap.Set[record]
	Words    weakmap.Interner[string]
	Latest   weakmap.Cell[record]
	Borrowed *weakmap.Map[string, record]
}

// newCatalog returns one whose settings are all set, functions too, and whose containers are in use.
func newCatalog() *catalog {
	c := &catalog{Name: "spring", Borrowed: new(weakmap.Map[string, record])}
	for _, m := range []*weakmap.Map[string, record]{&c.ByName, c.Borrowed} {
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
	object := new(record)
	c.ByName.Store("a", object)
	c.Borrowed.Store("a", object)
	c.ByItem.Store(object, 1)
	c.Items.Add(object)
	c.Words.Intern("a")
	c.Latest.Store(object)
	return c
}

// recoders encode a value and decode it into another, by the encoders of the standard library.
var recoders = map[string]func(from, to any) error{
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
}

// TestAStructWithContainersIsEncoded: by each encoder of the standard library. The settings that are
// values come back, functions and entries do not, and what comes back is ready to use.
func TestAStructWithContainersIsEncoded(t *testing.T) {
	for name, recode := range recoders {
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
			object := new(record)
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

// everySetting returns a Config in which no two numbers are the same, and none is 0 or 1.
func everySetting(t *testing.T) (c weakmap.Config) {
	t.Helper()
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		switch f := fields.Field(i); {
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.CanInt():
			f.SetInt(1000 + int64(i))
		case f.CanUint():
			f.SetUint(100 + uint64(i))
		default:
			t.Fatalf("a Config with a field of type %v", f.Type())
		}
	}
	return c
}

// alike is a struct with containers that go by a Hasher: those of this package, and one with no
// exported field, which gob cannot encode.
type alike struct {
	Before    string
	ByFields  weakmap.KeyMap[schema, int]
	Schemas   weakmap.Set[schema]
	ByContent *weakmap.KeyMap[record, int]
	Records   []*weakmap.Set[record]
	None      *weakmap.Set[record]
	Plain     weakmap.Set[record]
	After     string
}

// A Hasher is left out as a function is, and every setting comes back.
func TestContainersWithAHasherAreEncoded(t *testing.T) {
	for name, recode := range recoders {
		t.Run(name, func(t *testing.T) {
			config := everySetting(t)
			from := &alike{Before: "b", After: "a", ByContent: new(weakmap.KeyMap[record, int]), Records: []*weakmap.Set[record]{new(weakmap.Set[record])}}
			from.ByFields.Hasher, from.Schemas.Hasher = byFields{"4bits"}, byFields{"builtin"}
			from.ByContent.Hasher, from.Records[0].Hasher = weakmap.Comparable[record](), weakmap.ByValue(byValueOfRecord{})
			key, member := newSchema(1, "x"), &record{id: 1}
			from.ByFields.Store(key, 1)
			from.Schemas.Add(key)
			from.ByContent.Store(member, 1)
			from.Records[0].Add(member)
			// What is encoded is what the fields say, whatever the container does by now.
			from.ByFields.Config, from.Schemas.Config, from.ByContent.Config, from.Records[0].Config = config, config, config, config

			to := new(alike)
			if err := recode(from, to); err != nil {
				t.Fatal(err)
			}
			if to.Before != "b" || to.After != "a" || to.ByContent == nil || len(to.Records) != 1 || to.None != nil {
				t.Fatalf("what is beside the containers came back as %q, %q, %p, %d, %p", to.Before, to.After, to.ByContent, len(to.Records), to.None)
			}
			for container, got := range map[string]weakmap.Config{
				"KeyMap": to.ByFields.Config, "Set": to.Schemas.Config, "*KeyMap": to.ByContent.Config, "[]*Set": to.Records[0].Config,
			} {
				if got != config {
					t.Errorf("%s: settings %+v, want %+v", container, got, config)
				}
			}
			if to.Plain.Config != (weakmap.Config{}) {
				t.Errorf("settings %+v came from nowhere", to.Plain.Config)
			}
			if to.ByFields.Hasher != nil || to.Schemas.Hasher != nil || to.ByContent.Hasher != nil || to.Records[0].Hasher != nil {
				t.Error("a Hasher came from somewhere")
			}
			if n := to.ByFields.Len() + to.Schemas.Len() + to.ByContent.Len() + to.Records[0].Len(); n != 0 {
				t.Errorf("%d entries came with it", n)
			}
			if _, ok := from.ByFields.Load(newSchema(2, "x")); !ok || !from.Records[0].Contains(&record{id: 1}) {
				t.Error("what was encoded does not work any more")
			}
			to.Schemas.Config, to.Schemas.Hasher = weakmap.Config{}, byFields{"builtin"}
			if m, loaded := to.Schemas.LoadOrAdd(key); m != key || loaded || !to.Schemas.Contains(newSchema(2, "x")) {
				t.Error("a Set that came back does not work with a Hasher")
			}
			runtime.KeepAlive(key)
			runtime.KeepAlive(member)
		})
	}
}

// byValueOfRecord is a Hasher for ByValue.
type byValueOfRecord struct{}

func (byValueOfRecord) Hash(h *maphash.Hash, r record) { maphash.WriteComparable(h, r.id) }
func (byValueOfRecord) Equal(x, y record) bool         { return x.id == y.id }

// What is cut off or out of range is an error that leaves the container alone. What comes after the
// settings is a later version's.
func TestGobDecodeOfOtherTexts(t *testing.T) {
	var m weakmap.KeyMap[schema, int]
	m.Config = everySetting(t)
	text, err := m.GobEncode()
	if err != nil {
		t.Fatal(err)
	}
	outOfRange := slices.Clone(text)
	outOfRange[len(binary.AppendVarint(binary.AppendVarint(nil, int64(m.Config.Shards)), int64(m.Config.Capacity)))]++ // Reclaim turns negative.
	texts := map[string][]byte{"out of range": outOfRange, "too long a number": bytes.Repeat([]byte{0xff}, len(text))}
	for n := range text {
		texts[fmt.Sprint("cut off at ", n)] = text[:n]
	}
	for name, bad := range texts {
		var s weakmap.Set[schema]
		s.Config.Shards = 3
		err := s.GobDecode(bad)
		if err == nil || !strings.HasPrefix(err.Error(), "weakmap: GobDecode: ") || s.Config != (weakmap.Config{Shards: 3}) {
			t.Errorf("%s: GobDecode = %v and leaves %+v", name, err, s.Config)
		}
	}
	var s weakmap.Set[schema]
	if err := s.GobDecode(append(text, 1, 2, 3)); err != nil || s.Config != m.Config {
		t.Errorf("GobDecode of a later version's text = %v and leaves %+v", err, s.Config)
	}
}
