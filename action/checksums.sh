#!/bin/sh
# Prints the lines of checksums.txt for version $1, from the output of sha256sum in the file $2.
set -eu

awk -v version="$1" '
    # <hash>  regsync-<target>[.exe]
    $2 ~ /^[*]?regsync-[a-z0-9_-]+(\.exe)?$/ {
        target = $2
        sub(/^[*]?regsync-/, "", target)
        sub(/\.exe$/, "", target)
        if ($1 !~ /^[0-9a-f]+$/ || length($1) != 64) exit 1
        print version, target, $1
        lines++
    }
    END { exit lines == 0 }
' "$2"
