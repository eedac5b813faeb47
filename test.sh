#!/bin/sh
# Passes all tests on a fresh Debian machine with Rust: installs what they need, then runs them.
#   ./test.sh            everything
#   ./test.sh --install  only what has to be installed
set -eu
cd "$(dirname "$0")"

# What the tests drive, all as separate programs: SIPp and baresip as phones, Kamailio as a carrier, PostgreSQL as a store, sox for
# sounds, python for pjsua2, one more phone, and for PESQ (compiled at installation, hence the headers).
packages="sip-tester kamailio baresip-core postgresql sox build-essential python3 python3-venv python3-dev libcap2-bin"

missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    # RUNLEVEL=1 keeps Debian from starting the installed servers: the tests start their own.
    $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

# SIPp sends recorded keys through a raw socket.
if [ "$(id -u)" != 0 ] && ! getcap "$(command -v sipp)" 2>/dev/null | grep -q net_raw; then
    sudo setcap cap_net_raw+ep "$(command -v sipp)"
fi

python="target/python/bin/python"
if ! [ -x "$python" ] || ! "$python" -c 'import numpy, pesq, pjsua2' 2>/dev/null; then
    echo "installing: numpy, pesq and pjsua2 into target/python"
    mkdir -p target
    python3 -m venv target/python
    "$python" -m pip install --quiet --disable-pip-version-check numpy cython setuptools wheel
    # Its build asks for a numpy of its own otherwise, and that takes minutes.
    "$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation pesq
    # A SIP stack that is not ours, as a phone; its wheels are made for each version of python 3.
    "$python" -m pip install --quiet --disable-pip-version-check "pjsua2-python==2.15.1.post1"
fi

command -v cargo-nextest >/dev/null || cargo install cargo-nextest --locked

[ "${1:-}" = "--install" ] && exit 0

cargo test --workspace --doc --quiet
# The wire tests drive the real program.
cargo build --workspace --bin sibai --profile test --quiet
cargo nextest run --workspace "$@"
