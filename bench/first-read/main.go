// The yardstick of bench/bundles.ts: decodes, parses and hashes the certificates of a PEM file, and prints the processor
// time of the whole process in milliseconds.
package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"syscall"
)

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	seen := map[[32]byte]*x509.Certificate{}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			panic(err)
		}
		seen[sha256.Sum256(block.Bytes)] = certificate
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	milliseconds := func(t syscall.Timeval) float64 { return float64(t.Sec)*1000 + float64(t.Usec)/1000 }
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"roots": len(seen), "milliseconds": milliseconds(usage.Utime) + milliseconds(usage.Stime)})
}
