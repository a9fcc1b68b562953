# Sourced by the other scripts: sets PYTHON to a Python that Caseproof runs on, or ends with what to do.
#
# Each candidate is started, not only looked up: a version manager's stand-in is on PATH for versions it lacks, and
# Debian's python3 comes without what makes a virtual environment.

fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
        >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    candidates=$PYTHON
else
    candidates="python3.13 python3.12 python3.11 python3"
    PYTHON=
    for candidate in $candidates; do
        if fits "$candidate"; then
            PYTHON=$candidate
            break
        fi
    done
fi

if [ -z "$PYTHON" ] || ! fits "$PYTHON"; then
    {
        echo "Caseproof needs Python 3.11, 3.12 or 3.13 with its venv module; tried: $candidates."
        echo "Next: install one (Debian: apt-get install python3 python3-venv), or name it: make ... PYTHON=/path/to/python3"
    } >&2
    exit 1
fi
