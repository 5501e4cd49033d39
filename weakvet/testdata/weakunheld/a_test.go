package weakunheld

import (
	"testing"
	"weak"
)

// Tests make objects in order to see them die.
func TestGone(t *testing.T) {
	pages.Store("a", &page{})
	t.Log(weak.Make(new(page)))
}
