package main

import (
	"fmt"
	"go/types"
	"io"
	"runtime"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/types/typeutil"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/examples/internal/trial"
)

// occurrences returns the types of all expressions of the packages that match a pattern.
func occurrences(pattern string) (all []types.Type, err error) {
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
		packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo
	loaded, err := packages.Load(&packages.Config{Mode: mode}, pattern)
	if err != nil {
		return nil, err
	}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, p.Errors[0])
		}
		for _, tv := range p.TypesInfo.Types {
			if _, tuple := tv.Type.(*types.Tuple); tv.Type != nil && !tuple {
				all = append(all, tv.Type)
			}
		}
	}
	if len(all) == 0 {
		return nil, trial.Usagef("no package matches %q", pattern)
	}
	return all, nil
}

// byIdentity is what go/types and its users mean by the same type.
var byIdentity = weakmap.ByValue[types.Type](identity)

// canonicalTypes returns for each type the canonical one of all that are identical to it.
func canonicalTypes(s *weakmap.Set[types.Type], all []types.Type) []*types.Type {
	canonical := make([]*types.Type, len(all))
	for i, t := range all {
		member, ok := s.Load(&t) // On the stack: nothing is allocated for what is there.
		if !ok {
			own := t
			member, _ = s.LoadOrAdd(&own)
		}
		canonical[i] = member
	}
	return canonical
}

func canonicalTypesOfMap(m *typeutil.Map, all []types.Type) []types.Type {
	canonical := make([]types.Type, len(all))
	for i, t := range all {
		member, ok := m.At(t).(types.Type)
		if !ok {
			m.Set(t, t)
			member = t
		}
		canonical[i] = member
	}
	return canonical
}

func reportTypes(stdout io.Writer, pattern string) error {
	all, err := occurrences(pattern)
	if err != nil {
		return err
	}
	mapRow, m, strong := measured("typeutil.Map", func() (*typeutil.Map, []types.Type, int) {
		m := new(typeutil.Map)
		canonical := canonicalTypesOfMap(m, all)
		return m, canonical, m.Len()
	})
	setRow, s, weak := measured("weakmap.Set", func() (*weakmap.Set[types.Type], []*types.Type, int) {
		s := &weakmap.Set[types.Type]{Hasher: byIdentity}
		canonical := canonicalTypes(s, all)
		return s, canonical, s.Len()
	})
	disagree := 0
	for i, member := range weak {
		if !types.Identical(*member, strong[i]) {
			disagree++
		}
	}
	weak = nil
	setRow.left = trial.Drain(s.Len)
	runtime.KeepAlive(m)
	titled(stdout, "%s types of expressions in %s; typeutil.Map and the Set disagree about %d", trial.Count(len(all)), pattern, disagree)
	return print(stdout, "types", mapRow, setRow)
}
