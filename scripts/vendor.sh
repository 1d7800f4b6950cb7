#!/bin/sh
# Copies what package.json lists under "vendor" (file in node_modules -> name) to where the pages find it.
set -eu
cd "$(dirname "$0")/.."
into=callcenter/desk/static/vendor
mkdir -p "$into"
node -e '
    const listed = Object.entries(require("./package.json").vendor || {});
    for (const [from, name] of listed) console.log(from + "\t" + name);
' | while IFS="$(printf '\t')" read -r from name; do
    [ -f "node_modules/$from" ] || { echo "vendor: node_modules/$from is not there: run npm ci" >&2; exit 1; }
    cp "node_modules/$from" "$into/$name.new"
    mv "$into/$name.new" "$into/$name"
done
