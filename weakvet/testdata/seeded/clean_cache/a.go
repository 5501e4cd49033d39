// Package seeded: a cache as it should be.
package seeded

import (
	"os"

	"github.com/go-weak/weakmap"
)

var files weakmap.Map[string, []byte]

func Read(name string) (*[]byte, error) {
	data, _, err := files.LoadOrCompute(name, func() (*[]byte, error) {
		b, err := os.ReadFile(name)
		return &b, err
	})
	return data, err
}
