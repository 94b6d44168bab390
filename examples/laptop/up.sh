#!/usr/bin/env bash
# Two kind clusters with Istio on this machine: each with its own root CA, its own trust domain, and the other's endpoints.
# Needs docker, kind, kubectl, istioctl and openssl, and about 6 GiB of memory.
#
#   ./up.sh          creates both; prints what to do next
#   ./up.sh down     deletes both, and the CAs in ./ca
#
# NOT RUN by the project's tests: they have no container runtime. See README.md here for what was checked.
set -euo pipefail
cd "$(dirname "$0")"

clusters=(a b)

down() {
  for c in "${clusters[@]}"; do kind delete cluster --name "entente-$c"; done
  rm -rf ca
}

require() {
  local missing=()
  for program in docker kind kubectl istioctl openssl; do command -v "$program" >/dev/null || missing+=("$program"); done
  if ((${#missing[@]} > 0)); then
    echo "not installed: ${missing[*]}" >&2
    exit 1
  fi
}

# A root and an intermediate, which istiod signs with. Kubernetes gets the root's certificate, never its key.
make_ca() {
  local c=$1 folder=ca/$1
  mkdir -p "$folder"
  openssl ecparam -name prime256v1 -genkey -noout -out "$folder/root-key.pem"
  openssl req -x509 -new -key "$folder/root-key.pem" -days 3650 -subj "/O=cluster-$c/CN=Root CA $c" \
    -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign -out "$folder/root-cert.pem"
  openssl ecparam -name prime256v1 -genkey -noout -out "$folder/ca-key.pem"
  openssl req -new -key "$folder/ca-key.pem" -subj "/O=cluster-$c/CN=Intermediate CA $c" -out "$folder/ca.csr"
  printf 'basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n' >"$folder/ca.ext"
  openssl x509 -req -in "$folder/ca.csr" -CA "$folder/root-cert.pem" -CAkey "$folder/root-key.pem" -set_serial 1 -days 730 \
    -extfile "$folder/ca.ext" -out "$folder/ca-cert.pem"
  cat "$folder/ca-cert.pem" "$folder/root-cert.pem" >"$folder/cert-chain.pem"
}

create() {
  local c=$1
  kind create cluster --config "kind-$c.yaml"
  make_ca "$c"
  kubectl --context "kind-entente-$c" create namespace istio-system
  kubectl --context "kind-entente-$c" -n istio-system create secret generic cacerts \
    --from-file="ca/$c/ca-cert.pem" --from-file="ca/$c/ca-key.pem" \
    --from-file="ca/$c/root-cert.pem" --from-file="ca/$c/cert-chain.pem"
  istioctl install --context "kind-entente-$c" --skip-confirmation -f "istio-$c.yaml"
}

address_of() { docker inspect -f '{{(index .NetworkSettings.Networks "kind").IPAddress}}' "entente-$1-control-plane"; }

# Pods of one cluster reach pods of the other by their own addresses: both nodes are containers of one Docker network.
route() {
  local from=$1 to=$2 subnet
  subnet=$(awk '/podSubnet/ { print $2 }' "kind-$to.yaml")
  docker exec "entente-$from-control-plane" ip route replace "$subnet" via "$(address_of "$to")"
}

# istiod of one cluster reads the endpoints of the other.
discover() {
  local reader=$1 read=$2
  istioctl create-remote-secret --context "kind-entente-$read" --name "cluster-$read" --server "https://$(address_of "$read"):6443" |
    kubectl --context "kind-entente-$reader" apply -f -
}

if [[ ${1:-} == down ]]; then
  down
  exit
fi
require
for c in "${clusters[@]}"; do create "$c"; done
route a b
route b a
discover a b
discover b a
for c in "${clusters[@]}"; do
  kubectl --context "kind-entente-$c" apply -f "sample-$c.yaml"
done
kubectl --context kind-entente-a -n sample rollout status deployment client --timeout 180s
kubectl --context kind-entente-b -n sample rollout status deployment server --timeout 180s

cat <<'NEXT'

Both clusters are up. Without a federation this call fails with 503:

  kubectl --context kind-entente-a -n sample exec deploy/client -- curl -sS server.sample/hostname

Now federate them:

  entente init --context kind-entente-a --context kind-entente-b --out shop
  cd shop
  entente call add kind-entente-a/sample/client kind-entente-b/sample/server
  entente plan
  entente apply --reason "a first call"
  entente verify

The same call then prints the name of the server's pod.
NEXT
