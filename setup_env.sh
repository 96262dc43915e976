#!/bin/sh
# Make the virtual environment $1 from requirements.lock. Finds a Python 3.10 by itself, or the versions
# that PYTHON_VERSIONS lists.
set -eu
venv=$1
if [ -L "$venv" ]; then # what it leads to would be cleared
    echo "$venv is a link; remove it, or name the environment: make setup VENV=DIR" >&2
    exit 2
fi

works() { "$@" -c 'import sys, venv, ensurepip' >/dev/null 2>&1; }

is() { # is VERSION COMMAND...: does the command run a Python of that version that can make environments?
    want=$1; shift
    works "$@" && [ "$("$@" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$want" ]
}

# Where a Python really is: an active environment's own one would be cleared while it is used.
where='import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))'

find_python() { # prints the path of a Python of version $1
    for candidate in "python$1" python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && is "$1" "$candidate"; then
            "$candidate" -c "$where"; return 0
        fi
    done
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if [ -x "$candidate" ] && is "$1" "$candidate"; then "$candidate" -c "$where"; return 0; fi
    done
    if command -v uv >/dev/null 2>&1; then
        candidate=$(uv python find "$1" 2>/dev/null || true)
        if [ -n "$candidate" ] && is "$1" "$candidate"; then echo "$candidate"; return 0; fi
    fi
    return 1
}

python=""
for version in ${PYTHON_VERSIONS:-3.10 3.11 3.12}; do
    if python=$(find_python "$version"); then break; fi
    python=""
done
if [ -z "$python" ]; then
    echo "No Python 3.10 to 3.12 was found. Install Python 3.10 (python3.10, pyenv or uv), then run again." >&2
    exit 2
fi
lock=requirements.lock
filtered=$(mktemp)
trap 'rm -f "$filtered"' EXIT
case $version in
    3.10) cp $lock "$filtered" ;;
    *) echo "Python $version: Paddle Lite has no wheel for it, so --format lite and its tests are left out. Python 3.10 has it."
       grep -v '^paddlelite==' $lock >"$filtered" ;;
esac
echo "Setting up $venv with $python (about 2.8 GB, a few minutes the first time) ..."
"$python" -m venv --clear "$venv"
# --no-deps: paddleslim and paddleseg declare opencv pins that exclude each other; the list is complete.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$filtered"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$venv/.ready"
