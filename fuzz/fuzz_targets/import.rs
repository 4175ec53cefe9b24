//! Any bytes: imported in each format. Nothing may panic, and a problem that comes out has
//! rows that sum to 1 and numbers that a problem takes.
//!
//! The first byte says the format and the options, the others are files with a byte 0xff
//! between them.
//!
//! `cargo +nightly fuzz run import -- -max_len=4096 -timeout=20`

#![no_main]
#![allow(dead_code)]

use std::collections::BTreeMap;

use import::conversion::{Axes, Format, Options, Source, convert};
use import::number::Number;
use libfuzzer_sys::fuzz_target;
use pemdp::problem::Numeral;
use serde_json::Value;

/// What the command has below its arguments.
#[path = "../../cli/src/import"]
mod import {
    mod archive;
    pub mod conversion;
    mod csv;
    mod distribution;
    mod drn;
    mod drn_header;
    mod exact;
    mod model;
    mod npy;
    mod npz;
    pub mod number;
    mod prism;
    mod problem;
    mod rewards;
    mod spelling;
    mod text;
}

/// The names of the files of a format.
fn names(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv => &["model.csv"],
        Format::Npz => &["P.npy", "R.npy", "logits.npy", "initial.npy", "terminal.npy", "gamma.npy"],
        Format::Drn => &["model.drn"],
        Format::Prism => &["model.tra", "model.lab", "model.srew", "model.trew"],
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let format = [Format::Csv, Format::Npz, Format::Drn, Format::Prism][usize::from(choice % 4)];
    let parts: Vec<&[u8]> = if format == Format::Csv || format == Format::Drn {
        vec![bytes]
    } else {
        bytes.split(|byte| *byte == 0xff).collect()
    };
    let source = |(name, bytes): (&&str, &&[u8])| Source { name: (*name).to_owned(), bytes: bytes.to_vec() };
    let sources: Vec<Source> = names(format).iter().zip(&parts).map(source).collect();
    let options = Options {
        format: Some(format),
        gamma: Number::double(0.5),
        initial: (choice & 4 > 0).then(|| "uniform".to_owned()),
        axes: [None, Some(Axes::Sat), Some(Axes::Ast), None][usize::from(choice >> 3 & 3)],
        rewards: None,
        normalise: choice & 32 > 0,
    };
    let Ok(conversion) = convert(sources, &options) else { return };
    let problem: Value = serde_json::from_str(&conversion.problem).expect("JSON");
    let mut sums = BTreeMap::new();
    for entry in problem["environment"]["transitions"].as_array().expect("transitions") {
        let number = match &entry[3] {
            Value::String(text) => text.parse::<Numeral>().expect("a numeral").approximate(),
            number => number.as_f64().expect("a number"),
        };
        *sums.entry((entry[0].as_u64(), entry[1].as_u64())).or_insert(0.0) += number;
    }
    assert!(sums.values().all(|sum: &f64| (sum - 1.0).abs() < 1.1e-9), "rows sum to 1");
});
