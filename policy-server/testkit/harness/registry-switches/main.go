// In-memory (or on-disk) OCI registry with switches: referrers, TLS, basic auth.
package main

import (
	"crypto/subtle"
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

const refusal = `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`

func main() {
	address := flag.String("addr", "127.0.0.1:0", "listen address")
	referrers := flag.Bool("referrers", false, "serve GET /v2/<name>/referrers/<digest>")
	certificate := flag.String("cert", "", "TLS certificate (PEM file)")
	key := flag.String("key", "", "TLS key (PEM file)")
	user := flag.String("user", "", "basic auth user")
	password := flag.String("pass", "", "basic auth password")
	disk := flag.String("disk", "", "keep blobs in this folder")
	flag.Parse()

	options := []registry.Option{registry.WithReferrersSupport(*referrers)}
	if *disk != "" {
		options = append(options, registry.WithBlobHandler(registry.NewDiskBlobHandler(*disk)))
	}
	handler := registry.New(options...)
	if *user != "" {
		handler = withBasicAuth(handler, *user+":"+*password)
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: handler}
	if *certificate != "" {
		log.Fatal(server.ServeTLS(listener, *certificate, *key))
	}
	log.Fatal(server.Serve(listener))
}

func withBasicAuth(next http.Handler, expected string) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		user, password, ok := request.BasicAuth()
		if !ok || subtle.ConstantTimeCompare([]byte(user+":"+password), []byte(expected)) != 1 {
			response.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			response.Header().Set("Content-Type", "application/json")
			response.WriteHeader(http.StatusUnauthorized)
			_, _ = response.Write([]byte(refusal))
			return
		}
		next.ServeHTTP(response, request)
	})
}
