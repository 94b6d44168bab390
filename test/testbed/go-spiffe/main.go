// Second opinions for test/e2e/bundles.e2e.ts: Go's crypto/x509, which istiod uses, and go-spiffe, which SPIRE uses.
// Reads one JSON request per line and answers with one JSON line each.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

type request struct {
	Op          string
	TrustDomain string
	File        []byte   // a bundle
	Der         []byte   // a certificate
	Roots       [][]byte // DER
	Chain       [][]byte // DER, leaf first
	At          time.Time
	Usage       string // client or server; empty: any
	URL         string
	EndpointID  string
	Cert, Key   string // PEM
}

type answer struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Roots    int    `json:"roots"`
	Sequence uint64 `json:"sequence"`
	URL      string `json:"url,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var req request
		result := answer{}
		if err = json.Unmarshal(line, &req); err == nil {
			result, err = serve(req)
		}
		if err != nil {
			result.Error = err.Error()
		}
		result.OK = err == nil
		if out.Encode(result) != nil {
			return
		}
	}
}

func serve(req request) (answer, error) {
	switch req.Op {
	case "certificate":
		_, err := x509.ParseCertificate(req.Der)
		return answer{}, err
	case "istiod":
		return answer{}, asIstiod(req.File)
	case "pem":
		return countPem(req.File), nil
	case "verify":
		return answer{}, verify(req)
	}
	domain, err := spiffeid.TrustDomainFromString(req.TrustDomain)
	if err != nil {
		return answer{}, err
	}
	switch req.Op {
	case "bundle":
		return describe(spiffebundle.Parse(domain, req.File))
	case "fetch":
		return fetch(req, domain)
	case "publish":
		return publish(req, domain)
	}
	return answer{}, errors.New("unknown op")
}

// countPem is how Go programs usually fill a pool: what cannot be read is left out in silence.
func countPem(file []byte) answer {
	roots := 0
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			roots++
		}
	}
	return answer{Roots: roots}
}

// asIstiod checks what pilot/pkg/trustbundle verifyTrustAnchor checks (istio eed52ebb66ad): the first block, no other.
func asIstiod(file []byte) error {
	block, _ := pem.Decode(file)
	if block == nil {
		return errors.New("no PEM block")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err == nil && !certificate.IsCA {
		err = errors.New("not a CA")
	}
	return err
}

func verify(req request) error {
	if len(req.Chain) == 0 {
		return errors.New("no chain")
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, der := range req.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		roots.AddCert(root)
	}
	for _, der := range req.Chain[1:] {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		intermediates.AddCert(certificate)
	}
	leaf, err := x509.ParseCertificate(req.Chain[0])
	if err != nil {
		return err
	}
	usage, known := map[string]x509.ExtKeyUsage{"": x509.ExtKeyUsageAny, "client": x509.ExtKeyUsageClientAuth, "server": x509.ExtKeyUsageServerAuth}[req.Usage]
	if !known {
		return errors.New("unknown usage")
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: req.At, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func describe(bundle *spiffebundle.Bundle, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	sequence, _ := bundle.SequenceNumber()
	return answer{Roots: len(bundle.X509Authorities()), Sequence: sequence}, nil
}

func fetch(req request, domain spiffeid.TrustDomain) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	id, err := spiffeid.FromString(req.EndpointID)
	if err != nil {
		return answer{}, err
	}
	first, err := spiffebundle.Parse(id.TrustDomain(), req.File)
	if err != nil {
		return answer{}, err
	}
	return describe(federation.FetchBundle(ctx, domain, req.URL, federation.WithSPIFFEAuth(first, id)))
}

// publish serves a bundle with go-spiffe's own handler until the program ends.
func publish(req request, domain spiffeid.TrustDomain) (answer, error) {
	bundle, err := spiffebundle.Parse(domain, req.File)
	if err != nil {
		return answer{}, err
	}
	handler, err := federation.NewHandler(domain, bundle)
	if err != nil {
		return answer{}, err
	}
	certificate, err := tls.X509KeyPair([]byte(req.Cert), []byte(req.Key))
	if err != nil {
		return answer{}, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answer{}, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return answer{URL: "https://" + listener.Addr().String() + "/"}, nil
}
