module example.com/testdata

go 1.25

require github.com/go-weak/weakmap v0.0.0

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/puzpuzpuz/xsync/v3 v3.5.1 // indirect
)

replace github.com/go-weak/weakmap => ../..
