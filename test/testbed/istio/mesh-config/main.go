// Istio's own reading of mesh configs, for test/e2e/istio-source.e2e.ts. Reads one JSON list of texts per line: a mesh
// config in layers, in the order in which istiod applies them. Answers with one JSON line each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/util/protomarshal"
)

type answer struct {
	Mesh  json.RawMessage `json:"mesh,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	// Its warnings go to stdout otherwise, between the answers.
	quiet := log.DefaultOptions()
	quiet.OutputPaths = []string{"/dev/null"}
	if err := log.Configure(quiet); err != nil {
		panic(err)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var layers []string
		result := answer{}
		if err := json.Unmarshal(line, &layers); err != nil {
			result.Error = err.Error()
		} else if read, err := apply(layers); err != nil {
			result.Error = err.Error()
		} else {
			result.Mesh = json.RawMessage(read)
		}
		if err := out.Encode(result); err != nil {
			return
		}
	}
}

func apply(layers []string) (read string, err error) {
	defer func() {
		// istiod ends, then.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	config := mesh.DefaultMeshConfig()
	for _, layer := range layers {
		if config, err = mesh.ApplyMeshConfig(layer, config); err != nil {
			return "", err
		}
	}
	return protomarshal.ToJSON(config)
}
