#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, tests,
# documentation. Needs only a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")"

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo test --workspace --locked
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
