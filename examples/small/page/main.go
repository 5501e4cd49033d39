// Page serves the page of weakdebug, on which a cache fills.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weakdebug"
)

type session struct{ user string }

func main() {
	address := flag.String("address", "localhost:6060", "where to serve")
	flag.Parse()
	sessions := &weakmap.Map[string, session]{Config: weakmap.Config{Retain: 3, Stats: true}}
	weakdebug.Publish("sessions", sessions)
	go func() {
		for i := range 1_000_000 {
			sessions.Store(fmt.Sprint("user ", i), &session{fmt.Sprint(i)})
			time.Sleep(time.Millisecond)
		}
	}()
	http.Handle("/debug/weak", weakdebug.Handler())
	fmt.Printf("see http://%s/debug/weak\n", *address)
	log.Fatal(http.ListenAndServe(*address, nil))
}
