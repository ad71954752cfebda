#!/bin/sh
# Puts the policies of an archive into a private registry, on a machine that reaches nothing else.
#
#   KWCTL_CMD=/path/to/kwctl load-policies.sh --policies-list FILE --policies ARCHIVE --registry HOST [--sources-path FILE]
set -eu

kwctl="${KWCTL_CMD:-kwctl}"
list=policies.txt
archive=policies.tar.gz
registry=
sources=
while [ $# -gt 0 ]; do
  case "$1" in
    --policies-list) list="$2" ;;
    --policies) archive="$2" ;;
    --registry) registry="$2" ;;
    --sources-path) sources="$2" ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$registry" ] || { echo "--registry is missing" >&2; exit 2; }

"$kwctl" load --input "$archive"

while IFS= read -r policy; do
  case "$policy" in
    registry://* | https://*)
      path="${policy#*://}"
      target="registry://$registry/${path#*/}"
      ;;
    *) continue ;;
  esac
  if [ -n "$sources" ]; then
    "$kwctl" push "$policy" "$target" --sources-path "$sources"
  else
    "$kwctl" push "$policy" "$target"
  fi
done <"$list"
