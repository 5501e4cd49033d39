// Package seeded: a weak pointer to nothing.
package seeded

import "weak"

type Page struct{ body string }

type Cache struct{ last weak.Pointer[Page] }

func (c *Cache) Set(body string) { c.last = weak.Make(&Page{body}) }
