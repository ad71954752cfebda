// WASI guest built with the official Go compiler and the published Go SDK. Behaviours: see ../README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	kubewarden "github.com/kubewarden/policy-sdk-go"
	"github.com/kubewarden/policy-sdk-go/pkg/capabilities"
)

type settings struct {
	Behaviour string  `json:"behaviour"`
	Message   *string `json:"message"`
	Code      *uint16 `json:"code"`
	Valid     *bool   `json:"valid"`
	Namespace string  `json:"namespace"`
	Operation string  `json:"operation"`
	Payload   string  `json:"payload"`
}

type request struct {
	Request  json.RawMessage `json:"request"`
	Settings settings        `json:"settings"`
}

var (
	calls int
	kept  [][]byte
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("expected one argument, got %d", len(os.Args)-1))
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	var output []byte
	switch os.Args[1] {
	case "validate":
		output, err = validate(input)
	case "validate-settings":
		output, err = validateSettings(input)
	default:
		err = fmt.Errorf("unknown operation %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
	if _, err := os.Stdout.Write(output); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func text(value *string, fallback string) string {
	if value == nil {
		return fallback
	}
	return *value
}

func reject(message string) ([]byte, error) {
	return kubewarden.RejectRequest(kubewarden.Message(message), kubewarden.NoCode)
}

func trap() {
	var nothing *int
	*nothing = 1
}

func spin() {
	for {
		calls++
	}
}

func validate(input []byte) ([]byte, error) {
	calls++
	var payload request
	if err := json.Unmarshal(input, &payload); err != nil {
		return nil, err
	}
	s := payload.Settings
	switch s.Behaviour {
	case "", "accept":
		return kubewarden.AcceptRequest()
	case "reject":
		code := kubewarden.NoCode
		if s.Code != nil {
			code = kubewarden.Code(*s.Code)
		}
		return kubewarden.RejectRequest(kubewarden.Message(text(s.Message, "rejected by guest")), code)
	case "mutate":
		return mutate(payload.Request)
	case "warn":
		return []byte(`{"accepted":true,"warnings":["careful"],"audit_annotations":{"seen":"yes"}}`), nil
	case "echo":
		return reject(string(input))
	case "counter":
		return reject(fmt.Sprint(calls))
	case "leak":
		kept = append(kept, make([]byte, 1<<20))
		return kubewarden.AcceptRequest()
	case "log":
		fmt.Fprintln(os.Stderr, "a line from the guest")
		return kubewarden.AcceptRequest()
	case "host-call":
		host := capabilities.NewHost()
		answer, err := host.Client.HostCall("kubewarden", s.Namespace, s.Operation, []byte(s.Payload))
		if err != nil {
			return reject(err.Error())
		}
		return reject(string(answer))
	case "error":
		return nil, errors.New("guest error")
	case "bad-response":
		return []byte(`{"nonsense":true}`), nil
	case "trap":
		trap()
	case "loop":
		spin()
	}
	if text, known := runtimeBehaviour(s.Behaviour, input); known {
		return reject(text)
	}
	return nil, fmt.Errorf("unknown behaviour %s", s.Behaviour)
}

// mutate works on the raw object: a typed one would drop what this program does not know.
func mutate(rawRequest json.RawMessage) ([]byte, error) {
	var r struct {
		Object map[string]json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(rawRequest, &r); err != nil {
		return nil, err
	}
	var metadata map[string]json.RawMessage
	if err := json.Unmarshal(r.Object["metadata"], &metadata); err != nil {
		return nil, err
	}
	labels := map[string]string{}
	if raw, ok := metadata["labels"]; ok {
		if err := json.Unmarshal(raw, &labels); err != nil {
			return nil, err
		}
	}
	labels["guest"] = "mutated"
	var err error
	if metadata["labels"], err = json.Marshal(labels); err != nil {
		return nil, err
	}
	if r.Object["metadata"], err = json.Marshal(metadata); err != nil {
		return nil, err
	}
	return kubewarden.MutateRequest(r.Object)
}

func validateSettings(input []byte) ([]byte, error) {
	var s settings
	if err := json.Unmarshal(input, &s); err != nil {
		return nil, err
	}
	switch s.Behaviour {
	case "loop-settings":
		spin()
	case "trap-settings":
		trap()
	}
	if s.Valid != nil && !*s.Valid {
		return kubewarden.RejectSettings(kubewarden.Message(text(s.Message, "refused by guest")))
	}
	return kubewarden.AcceptSettings()
}
