package weaklocal

import (
	"testing"
	"weak"
)

// A test may make a variable in order to see it die.
func TestDies(t *testing.T) {
	var p page
	w := weak.Make(&p)
	t.Log(w)
	q := new(page)
	v := weak.Make(&q) // want `weak\.Make is given the address of the variable q, not the pointer in it`
	t.Log(v)

	b := make([]byte, 1024)
	weak.Make(&b) // does nothing, and promises nothing
}
