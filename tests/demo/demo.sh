#!/usr/bin/env bash
# Watches secrets change, from end to end, with the real programs: demo.sh BIN_DIRECTORY [-keep]
#
# Starts a server and a subscriber, changes kv v1 and v2 secrets with the command line, shows each event as it arrives and compares it
# with what must arrive. Exits 0 when every event came, in order; 1 otherwise. With -keep the server stays.
set -uo pipefail

bin=${1:?usage: demo.sh BIN_DIRECTORY [-keep]}
keep=${2:-}
if [[ -n $keep && $keep != -keep && $keep != --keep ]]; then
  echo "usage: demo.sh BIN_DIRECTORY [-keep]" >&2
  exit 1
fi
belfry=$bin/belfry
deadline_seconds=30
server= subscriber=
log=$(mktemp "${TMPDIR:-/tmp}/belfry-demo.XXXXXX")
# Nothing of the caller's settings may lead the demo to another server.
unset "${!BELFRY_@}" "${!VAULT_@}"

finish() {
  [[ -n $subscriber ]] && kill "$subscriber" 2>/dev/null
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null
    # Its output ends when it has.
    while read -r -t $deadline_seconds -u "$server_output" _; do :; done
  fi
  rm -f "$log"
}
trap finish EXIT

fail() {
  echo
  echo "demo: FAILED: $1"
  if [[ -s $log ]]; then
    echo "The server's last words:"
    tail -n 20 "$log"
  fi
  exit 1
}

start_server() {
  exec {server_output}< <(exec "$belfry" server -dev -dev-root-token-id=root -dev-listen-address=127.0.0.1:0 2>"$log")
  server=$!
  local line
  while read -r -t $deadline_seconds -u "$server_output" line; do
    [[ $line =~ export\ VAULT_ADDR=\'([^\']*)\' ]] && export VAULT_ADDR=${BASH_REMATCH[1]}
    [[ $line == "Root Token: "* ]] && break
  done
  [[ -n ${VAULT_ADDR:-} && $line == "Root Token: "* ]] || fail "the server did not start"
  export VAULT_TOKEN=root
}

# The subscriber says nothing until an event comes; the server counts it when it is there.
start_subscriber() {
  exec {events}< <(exec "$belfry" events subscribe 'kv*' 2>&1)
  subscriber=$!
  local end=$((SECONDS + deadline_seconds)) line= metrics=$VAULT_ADDR/v1/sys/metrics?format=prometheus
  until curl -fsS -H "X-Vault-Token: root" "$metrics" 2>/dev/null | grep -q '^belfry_events_subscriptions\({[^}]*}\)\? 1$'; do
    read -r -t 0.05 -u "$events" line && fail "the subscriber said: $line"
    ((SECONDS < end)) || fail "the subscription did not open"
  done
}

arrived=0
expected=0
# change TYPE PATH COMMAND…: runs the command and waits for the one event that it must cause.
change() {
  local type=$1 path=$2 output line=
  shift 2
  ((++expected))
  echo
  echo "\$ belfry $*"
  output=$("$belfry" "$@" 2>&1) || fail "belfry $* said: $output"
  read -r -t $deadline_seconds -u "$events" line || fail "no $type event for $path arrived"
  echo "$line"
  [[ $line == *"\"event_type\":\"$type\""* && $line == *"\"path\":\"$path\""* ]] || fail "that is not the $type event for $path"
  ((++arrived))
}

start_server
echo "The server answers at $VAULT_ADDR; its root token is \"root\"."
start_subscriber
echo "\$ belfry events subscribe 'kv*'      (its lines follow each change)"
echo
echo "\$ belfry secrets enable -path=kv1 -version=1 kv"
"$belfry" secrets enable -path=kv1 -version=1 kv || fail "kv1/ could not be mounted"

change kv-v1/write kv1/app kv put kv1/app user=alice password=one
change kv-v1/delete kv1/app kv delete kv1/app
change kv-v2/data-write secret/data/app kv put secret/app user=alice password=one
change kv-v2/data-patch secret/data/app kv patch secret/app password=two
change kv-v2/data-delete secret/data/app kv delete secret/app
change kv-v2/undelete secret/undelete/app kv undelete -versions=2 secret/app
change kv-v2/delete secret/delete/app kv delete -versions=1 secret/app
change kv-v2/destroy secret/destroy/app kv destroy -versions=1 secret/app
change kv-v2/metadata-write secret/metadata/app kv metadata put -max-versions=5 secret/app

value=$("$belfry" kv get -field=password secret/app) || fail "the secret cannot be read"
[[ $value == two ]] || fail "the secret reads \"$value\", not \"two\""

echo
echo "demo: OK: $arrived of $expected events arrived, each after its change and in order."
if [[ -n $keep ]]; then
  kill "$subscriber" 2>/dev/null
  trap - EXIT
  cat <<END

The server is still running (process $server, log in $log). In this terminal and in another one:

    export VAULT_ADDR=$VAULT_ADDR VAULT_TOKEN=root PATH="$(cd "$bin" && pwd):\$PATH"
    belfry events subscribe 'kv*'
    belfry kv put secret/hello word=world

To end it:  kill $server
END
fi
