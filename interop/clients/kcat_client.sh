#!/usr/bin/env bash
# kcat (librdkafka, in C) against a server: kcat_client.sh HOST:PORT NAME prints a transcript. NAME
# begins the names of the topics and groups; topics are made by asking about them.
set -euo pipefail

server=$1
name=$2
base_ms=1700000000000
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

section() { echo "== $1"; }

kcat_quiet() { kcat -b "$server" -q "$@" 2>"$temporary/stderr"; }

# Every record of a topic from the beginning to its end, a line each.
read_all() {
  local topic=$1
  shift
  kcat_quiet -C -t "$topic" -o beginning -e "$@" \
    -f '%p@%o key=%k(%K) value=%s(%S) headers=%h\n' | sort
}

# A topic is there once it has a leader.
create() {
  for _ in $(seq 100); do
    kcat_quiet -L -t "$1" | grep -q 'leader [0-9]' && return
    sleep 0.1
  done
  echo "no leader of $1" >&2
  return 1
}

section admin
create "$name-made"
kcat_quiet -L -t "$name-made" -J | grep -o '"partitions":\[{"partition":0,"leader":[0-9]*' |
  sed 's/leader":[0-9]*/leader":N/'

for codec in none gzip snappy lz4 zstd; do
  section "codec $codec"
  topic=$name-$codec
  create "$topic"
  printf 'key-1:one\nkey-2:\n:no key\nkey-3:with : in it\n' |
    kcat_quiet -P -t "$topic" -K : -Z -z "$codec" -H n=1 -H n=again -H empty= -X acks=all
  head -c 200000 /dev/zero | tr '\0' 'x' | kcat_quiet -P -t "$topic" -k large -z "$codec"
  read_all "$topic" | sed -E 's/x{100,}/xs/'
done

section idempotent
topic=$name-idempotent
create "$topic"
seq 0 499 | kcat_quiet -P -t "$topic" -X enable.idempotence=true -X batch.num.messages=20
kcat_quiet -C -t "$topic" -o beginning -e -f '%s\n' >"$temporary/values"
if seq 0 499 | cmp -s - "$temporary/values"; then echo 'in order, once each'; fi
kcat_quiet -C -t "$topic" -o -3 -e -f 'from the end: %o %s\n'
kcat_quiet -C -t "$topic" -o 10 -c 2 -f 'from the middle: %o %s\n'

section times
topic=$name-times
create "$topic"
seq 0 9 | kcat_quiet -P -t "$topic"
echo "before all: $(kcat_quiet -Q -t "$topic:0:$base_ms" | sed 's/.*offset/offset/')"
echo "behind all: $(kcat_quiet -Q -t "$topic:0:99999999999999" | sed 's/.*offset/offset/')"
kcat_quiet -C -t "$topic" -o "s@$base_ms" -e -f 'from a time: %o %s\n' | head -2

section group
topic=$name-group
create "$topic"
seq 0 19 | kcat_quiet -P -t "$topic"
read_as_group() {
  kcat_quiet -G "$name-readers" -X auto.offset.reset=earliest -e -f '%o %s\n' "$topic" |
    tee >(wc -l >"$temporary/count") | tail -1
  # What tee feeds may still count.
  until [ -s "$temporary/count" ]; do sleep 0.05; done
  echo "read $(tr -d ' ' <"$temporary/count")"
  rm "$temporary/count"
}
read_as_group
seq 20 24 | kcat_quiet -P -t "$topic"
read_as_group

section end
