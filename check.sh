#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, tests,
# documentation, certificates, the attack. Needs a Rust toolchain and Python 3.10
# or later with the package index within reach.
#
#     check.sh [--tested]     --tested: the tests have just passed
set -euo pipefail
cd "$(dirname "$0")"

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "check.sh needs Python 3.10 or later as python3, for the checker of certificates" >&2
    exit 1
fi

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
[ "${1:-}" = --tested ] || cargo test --workspace --locked
# What is off by default: sparse factorisations; and the core without files.
cargo test -p pemdp --features sparse --lib --locked -- linear
cargo clippy -p pemdp --no-default-features --locked -- -D warnings
# What takes minutes: the certificate of the gridworld's benchmark is found again.
cargo test --test gridworld_bound --locked -- --ignored
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

checker=proofs-check/checker
python3 "$checker/check_certificates.py" "$checker"/samples/*.json
python3 "$checker/test_check_certificates.py"
# The certificates of a whole run, by the program that the tests have built.
"${CARGO_TARGET_DIR:-target}/debug/pemdp" check --instances 50 --no-mutants --out target/check
python3 "$checker/check_certificates.py" target/check/[A-Z]*.json
# Likewise of performative optima.
python3 "$checker/check_optimum.py" "$checker"/optimum-samples/*.json
python3 "$checker/test_check_optimum.py"
# Forged certificates of both: whatever a checker accepts must be true.
python3 "$checker/test_forge.py"
python3 "$checker/forge.py" 100 --seed 1 > target/check/forgeries.txt || { cat target/check/forgeries.txt >&2; exit 1; }
for example in loan loan-mdp two-basins affine local-maximum vanishing two-state exponential-family; do
    "${CARGO_TARGET_DIR:-target}/debug/pemdp" optimum --example "$example" --json \
        --certificate "target/check/optimum-$example.json" > target/check/optimum.out
done
python3 "$checker/check_optimum.py" target/check/optimum-*.json
# Hostile problems, against an evaluation that shares no code with this one; by the
# program as it is used, since optimisers make mistakes too.
cargo build --release --locked
tests/attack/ci.sh "${CARGO_TARGET_DIR:-target}/release/pemdp"
# Answers of a program in Python, with NumPy beside what the attack has installed.
venv=$(cd "${CARGO_TARGET_DIR:-target}/attack-venv" && pwd)
"$venv/bin/pip" install --quiet --disable-pip-version-check numpy
PEMDP_PYTHON=$venv/bin/python cargo test --test cli --locked -- producers
