#!/bin/sh
# Puts the policies of a list into one archive, on a machine that reaches their registries.
#
#   KWCTL_CMD=/path/to/kwctl save-policies.sh --policies-list FILE --policies ARCHIVE
set -eu

kwctl="${KWCTL_CMD:-kwctl}"
list=policies.txt
archive=policies.tar.gz
while [ $# -gt 0 ]; do
  case "$1" in
    --policies-list) list="$2" ;;
    --policies) archive="$2" ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done

set --
while IFS= read -r policy; do
  [ -n "$policy" ] || continue
  if "$kwctl" pull "$policy" >/dev/null 2>&1; then
    echo "pulled $policy"
    set -- "$@" "$policy"
  else
    echo "not pulled $policy"
  fi
done <"$list"

"$kwctl" save "$@" --output "$archive"
