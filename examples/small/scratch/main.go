// Scratch removes a document's scratch file when the document is gone, or at the end of the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/go-weak/weakmap"
)

type document struct{ title, scratch string }

func open(title string) (*document, error) {
	f, err := os.CreateTemp("", "scratch-")
	if err != nil {
		return nil, err
	}
	d := &document{title, f.Name()}
	weakmap.Finalize(d, func(name string) {
		fmt.Println("the scratch file of", title, "is removed:", os.Remove(name) == nil)
	}, d.scratch)
	return d, f.Close()
}

func main() {
	defer weakmap.RunAtExit()
	draft, failed := open("draft")
	letter, err := open("letter")
	if err := errors.Join(failed, err); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("at work on", draft.title, "and", letter.title)
	weakmap.Settle(context.Background()) // The draft is no longer used. Without Settle, a later collection would find that.
	fmt.Println("still at work on", letter.title)
}
