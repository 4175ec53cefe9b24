#!/usr/bin/env bash
# The attack at a small size, for every change: the self-test, then each attack.
#
#     ci.sh [BINARY]      default: ${CARGO_TARGET_DIR:-target}/debug/pemdp
#
# Needs Python 3.10 or later; python-flint (MIT) is installed into the build folder. Ends with status 1 at the first
# attack that finds something; its summary and the problems are in ${CARGO_TARGET_DIR:-target}/attack.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/debug/pemdp}
venv=$target/attack-venv
flint=python-flint==0.9.0

if ! "$venv/bin/python" -c 'import flint; assert flint.__version__ == "0.9.0"' 2>/dev/null; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "ci.sh needs Python 3.10 or later" >&2; exit 1; }
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$flint"
fi

# Some machines that run this are several times slower than those that 10 seconds are meant for.
export PEMDP_ATTACK_SECONDS=40

attack() {
    "$venv/bin/python" tests/attack/attack.py "$1" --problems "$2" --binary "$binary" --out "$target/attack" || failed+=("$1")
}

failed=()
"$venv/bin/python" tests/attack/test_attack.py
attack eval 1500
attack exact 200
attack keys 1500
attack verify 400
attack optimum 80
attack solve 100
if [ ${#failed[@]} -gt 0 ]; then
    echo "attacks that found something: ${failed[*]}" >&2
    exit 1
fi
