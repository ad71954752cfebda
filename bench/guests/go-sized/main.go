// A WASI policy that accepts everything, and as large as the imports that a build tag chooses for it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// kept holds what must not be dropped by the linker.
var kept []any

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	if len(os.Args) == 2 && os.Args[1] == "validate-settings" {
		fmt.Print(`{"valid":true}`)
		return
	}
	var payload struct {
		Request map[string]any `json:"request"`
	}
	if err := json.Unmarshal(input, &payload); err != nil {
		fail(err)
	}
	fmt.Print(`{"accepted":true}`)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
