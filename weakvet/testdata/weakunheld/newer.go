package weakunheld

import (
	"context"
	"errors"
	"hash/maphash"

	"github.com/go-weak/weakmap"
)

type byName struct{}

func (byName) Hash(h *maphash.Hash, p *page) { h.WriteString(p.name) }
func (byName) Equal(x, y *page) bool         { return x.name == y.name }

var (
	current weakmap.Cell[page]
	texts   weakmap.Strings
	named   = weakmap.Set[page]{Hasher: byName{}}
	titles  = weakmap.KeyMap[page, string]{Hasher: byName{}}
	objects weakmap.Set[weakmap.Object]
	labels  weakmap.KeyMap[weakmap.Object, string]
	errNone = errors.New("none")
)

func made() (*page, error) { return &page{}, nil }

func listed() (*page, error) {
	p := &page{}
	p.register()
	return p, nil
}

func badNewer(ctx context.Context, name string) {
	current.Store(&page{})           // want `nothing but Cell\.Store has this new object`
	texts.Intern(name)               // want `the result of Strings\.Intern is thrown away`
	_ = texts.InternBytes(nil)       // want `the result of Strings\.InternBytes is thrown away`
	weakmap.InternBytes(&names, nil) // want `the result of weakmap\.InternBytes is thrown away`

	named.LoadOrAdd(&page{name: name})                 // want `nothing but Set\.LoadOrAdd has this new object`
	if _, found := named.LoadOrAdd(new(page)); found { // want `nothing but Set\.LoadOrAdd has this new object`
		return
	}
	titles.Store(&page{name: name}, "a title")                                                          // want `nothing but KeyMap\.Store has this new object`
	titles.LoadOrComputeContext(ctx, &page{}, func(context.Context) (string, error) { return "", nil }) // want `nothing but KeyMap\.LoadOrComputeContext has this new object`

	objects.Add(weakmap.ObjectOf(&page{})) // want `nothing but Set\.Add has this new object`
	o := weakmap.ObjectOf(new(page))
	labels.Store(o, "a label") // want `nothing but KeyMap\.Store has this new object`

	current.LoadOrCompute(func() (*page, error) { return &page{}, nil })                      // want `the result of Cell\.LoadOrCompute is thrown away, and nothing else has the new object that is computed`
	pages.LoadOrCompute(name, made)                                                           // want `the result of Map\.LoadOrCompute is thrown away`
	_, _, err := pages.LoadOrComputeContext(ctx, name, func(context.Context) (*page, error) { // want `the result of Map\.LoadOrComputeContext is thrown away`
		if name == "" {
			return nil, errNone
		}
		p := &page{}
		p.name = name
		return p, nil
	})
	_ = err
	pages.Compute(name, func(current *page) *page { // want `the result of Map\.Compute is thrown away`
		if current != nil {
			return current
		}
		return new(page)
	})
}

func goodNewer(ctx context.Context, name string) (*page, string, error) {
	p, _ := named.LoadOrAdd(&page{name: name})
	objects.Add(weakmap.ObjectOf(p))
	current.Store(p)
	titles.LoadOrComputeContext(ctx, p, func(context.Context) (string, error) { return "", nil })

	pages.LoadOrCompute(name, listed)
	pages.LoadOrCompute(name, func() (*page, error) { return p, nil })
	pages.Compute(name, func(current *page) *page { return nil })
	current.LoadOrCompute(func() (*page, error) {
		p := &page{}
		all = append(all, p)
		return p, nil
	})
	current.LoadOrCompute(func() (*page, error) {
		inner := func() *page { return &page{} }
		p.links = append(p.links, inner())
		return p.links[0], nil
	})
	q, _, err := current.LoadOrCompute(made)

	o := weakmap.ObjectOf(&page{})
	labels.Store(o, "a label")
	use(o)
	return q, texts.Intern(name), err
}

func use(*weakmap.Object) {}
