#!/usr/bin/env bash
# Installs what a bare Debian 12 lacks for `make check` and `make test`. Does nothing where all of it is there,
# and never without root: a laptop is told what to install instead (by `make setup`).
set -euo pipefail

missing=()
command -v make >/dev/null || missing+=(make)
# Any Python will do to begin with; tools/setup_venv.sh chooses the newest.
python3 -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" 2>/dev/null ||
    missing+=(python3 python3-venv)
# Makes the network namespaces in which tests cut cables.
command -v ip >/dev/null || missing+=(iproute2)
# Run and fetch ZooKeeper and Kafka (`make components`).
command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || missing+=(maven)

if ((${#missing[@]} == 0)); then
    exit 0
fi
if ((EUID != 0)); then
    echo "Missing: ${missing[*]}. Install with: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${missing[@]}"
