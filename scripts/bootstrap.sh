#!/bin/sh
# Makes a fresh Debian 12/13 or Ubuntu 22.04/24.04 ready: `--for=demo` or `--for=test` (the default, all of it).
# Installs only what is missing, says first what it will do as root, and a second run takes under a second.
set -eu

purpose=test
for argument in "$@"; do
    case $argument in
        --for=demo) purpose=demo ;;
        --for=test) purpose=test ;;
        -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
        *) echo "bootstrap: unknown option $argument (--for=demo or --for=test)" >&2; exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
stamps=var/.stamps
mkdir -p "$stamps"

say() { printf 'bootstrap: %s\n' "$*"; }
fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# A step is done when its stamp holds the hash of what it was made from.
hash_of() { sha256sum | cut -d' ' -f1; }
is_done() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$stamps/$1"; }

# ------------------------------------------------------------ the system's packages

good_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if good_python "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

find_chromium() {
    for candidate in chromium chromium-browser google-chrome google-chrome-stable; do
        # Ubuntu's chromium-browser package is a stub that only asks for its snap: it must really start.
        if has "$candidate" && "$candidate" --version >/dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

system_id=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown}" || echo unknown)
missing=""
need() { missing="$missing $1"; }

if python=$(find_python); then
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        need "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    fi
elif has apt-cache && [ -n "$(apt-cache search --names-only '^python3\.11-venv$' 2>/dev/null)" ]; then
    need python3.11 # Ubuntu 22.04: its python3 is 3.10
    need python3.11-venv
else
    need python3
    need python3-venv
fi
has espeak-ng || need espeak-ng
if [ "${LAB_ASTERISK:-debian}" = debian ]; then
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || need debian-archive-keyring
    if [ "$system_id" != debian ] && [ -z "${LAB_DEBIAN_MIRROR:-}" ]; then
        # Its template names the mirror that Asterisk is fetched from on a system that is not Debian.
        [ -e /usr/share/python-apt/templates/Debian.info ] || need python-apt-common
    fi
fi
if [ "$purpose" = test ]; then
    has sipp || need sip-tester
    has snmpget || need snmp
    has turnserver || need coturn
    has nginx || [ -x /usr/sbin/nginx ] || need nginx-light
    # The node that Playwright brings is linked against it, and a small system has it not.
    /sbin/ldconfig -p | grep -q 'libatomic\.so\.1 ' || need libatomic1
    if ! stamped=$(cat "$stamps/chromium" 2>/dev/null) || ! has "${stamped:-chromium}"; then
        if find_chromium; then
            mark_done chromium "$candidate"
        elif [ "$system_id" = ubuntu ]; then
            say "no Chromium here, and Ubuntu packages it as a snap only: 'sudo snap install chromium', or install"
            say "Google Chrome; the browser tests fail until one of them is there, all else works"
        else
            need chromium
        fi
    fi
fi

if [ -n "$missing" ]; then
    has apt-get || fail "please install, by this system's own means:$missing"
    if [ "$(id -u)" = 0 ]; then
        root=""
    elif has sudo; then
        root=sudo
    else
        fail "these packages are missing and there is no sudo; as root run: apt-get install$missing"
    fi
    say "missing system packages; this will now run: ${root:+$root }apt-get install --no-install-recommends$missing"
    $root apt-get -qq update || say "the package lists could not be renewed, trying with those that are here"
    # shellcheck disable=SC2086  # a list of words, empty where we are root
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing ||
        fail "apt-get could not install them: see above"
    # Their packages start services for everybody; the tests start their own.
    for service in coturn nginx; do
        case $missing in
            *" $service"*) has systemctl && $root systemctl disable --now --quiet "$service" 2>/dev/null || true ;;
        esac
    done
    python=$(find_python) || fail "Python 3.11 or newer is needed, and this system's packages have none"
fi

# ------------------------------------------------------------ Python

version=$("$python" -c 'import sys; print(sys.version)')
key=$({ echo "$python $version"; cat requirements.lock; } | hash_of)
if ! is_done python "$key" || [ ! -x .venv/bin/python ]; then
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        say "making .venv with $python"
        "$python" -m venv --clear .venv
    fi
    say "installing the locked Python packages"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
    rm -f "$stamps/project"
    mark_done python "$key"
fi
key=$({ echo "$key"; cat pyproject.toml; } | hash_of)
if ! is_done project "$key"; then
    say "installing callcenter itself, editable"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
    mark_done project "$key"
fi

# ------------------------------------------------------------ Asterisk

.venv/bin/python -m lab.asterisk_root --quiet || fail "no Asterisk: see above"
