#!/usr/bin/env bash
# Makes .venv and installs Millstream in it with its developer tools. `make setup` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest="3.11"

# A candidate may be on the path and still not start (version managers put up stand-ins), so each is asked.
usable() {
    "$1" -c "import sys; sys.exit(sys.version_info < (${oldest/./, }))" 2>/dev/null
}

makes_venvs() {
    "$1" -c "import venv, ensurepip" 2>/dev/null
}

# Prints the newest Python that can make an environment; says what to install when there is none.
find_python() {
    local candidate without_venv=""
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        if usable "$candidate" && makes_venvs "$candidate"; then
            command -v "$candidate"
            return
        elif usable "$candidate"; then
            without_venv="$candidate"
        fi
    done
    if [[ -n "$without_venv" ]]; then
        echo "$without_venv cannot make virtual environments: its venv or ensurepip module is missing." >&2
        echo "On Debian and Ubuntu install it with: sudo apt-get install python3-venv" >&2
    else
        echo "No Python >= $oldest was found on the path." >&2
        echo "Install one, for example with: sudo apt-get install python3 python3-venv" >&2
    fi
    return 1
}

make_venv() {
    local python
    python="$(find_python)"
    echo "Making .venv with $("$python" --version) ($python)"
    "$python" -m venv --clear .venv
}

# An environment that was copied or whose Python was removed is made anew.
if ! usable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    make_venv
fi
echo "Installing Millstream (editable) with its developer tools into .venv; the first time takes about a minute"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fast]'
echo "Ready. Bare 'make' lists what you can do now."
