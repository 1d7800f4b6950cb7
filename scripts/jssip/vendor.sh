#!/bin/sh
# Makes callcenter/desk/static/vendor/ anew: JsSIP and what it needs, in one file, from the locked packages of npm.
# For who takes a newer JsSIP: change package.json, `npm install --package-lock-only` here, run this, commit both.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../callcenter/desk/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --silent
version=$(node -p 'require("jssip/package.json").version')
printf 'module.exports = require("jssip");\n' >entry.js
node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --global-name=JsSIP --target=chrome109,firefox115 \
    --legal-comments=none --log-level=warning --outfile=jssip.js
mkdir -p "$out"
rm -f "$out"/jssip-*.min.js
cp jssip.js "$out/jssip-$version.min.js"
{
    printf 'JsSIP %s and the packages it needs, bundled by scripts/jssip/vendor.sh. SHA-256 of the bundle:\n' "$version"
    (cd "$out" && sha256sum "jssip-$version.min.js")
    for package in jssip debug events ms sdp-transform; do
        printf '\n---- %s %s (%s)\n\n' "$package" "$(node -p "require('$package/package.json').version")" \
            "$(node -p "require('$package/package.json').license")"
        find "node_modules/$package" -maxdepth 1 -iname 'license*' -exec cat {} +
    done
} >"$out/LICENSES.txt"
