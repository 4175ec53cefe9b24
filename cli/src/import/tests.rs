//! Whatever the bytes are: a problem, or one line that says what is wrong.

use std::io::{Cursor, Read, Write};
use std::time::{Duration, Instant};

use pemdp::problem::Numeral;
use proptest::prelude::*;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::conversion::{Axes, Format, Options, Source, convert};
use super::number::Number;

macro_rules! fixture {
    ($name:literal) => {
        Source {
            name: $name.to_owned(),
            bytes: include_bytes!(concat!("../../../tests/import/", $name)).to_vec(),
        }
    };
}

/// The files of models, one model each.
fn models() -> Vec<Vec<Source>> {
    vec![
        vec![fixture!("frozen-lake.csv")],
        vec![fixture!("shop.tsv")],
        vec![fixture!("repair.drn")],
        vec![fixture!("walk.tra"), fixture!("walk.lab"), fixture!("walk.srew"), fixture!("walk.trew")],
        vec![fixture!("chain.tra")],
        vec![fixture!("float32.npz")],
        vec![fixture!("sparse.npz"), fixture!("rewards.npy")],
        unpacked(&fixture!("policy.npz")),
        unpacked(&fixture!("ast-big-endian-fortran.npz")),
        unpacked(&fixture!("sparse.npz")),
        unpacked(&fixture!("frozen-lake.npz")),
    ]
}

/// The arrays of an archive: changed bytes reach the arrays, where the archive has checksums.
fn unpacked(source: &Source) -> Vec<Source> {
    let mut archive = ZipArchive::new(Cursor::new(&source.bytes)).unwrap();
    let members = (0..archive.len()).map(|at| {
        let mut member = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        Source { name: member.name().unwrap().into_owned(), bytes }
    });
    members.collect()
}

/// What mutations put into files.
const PIECES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "4294967295",
    "4294967296",
    "99999999999999999999",
    "1e-399",
    "1e308",
    "1/3",
    "1/0",
    "nan",
    "inf",
    ",",
    ";",
    "\t",
    "\n",
    "\n\n",
    "\"",
    "\"\"",
    "#",
    "[",
    "]",
    ":",
    "//",
    "$0",
    "state 0",
    "action 0",
    "@model",
    "@nr_states\n4294967294\n",
    "@placeholders",
    "true",
    "é",
    "\u{feff}",
    "(3,)",
    "(0, 99999999999)",
    "'<f4'",
    "'|O'",
    "'|S8'",
    "True",
    "\0",
    "\u{7f}",
];

#[derive(Debug, Clone)]
enum Mutation {
    Byte { at: prop::sample::Index, to: u8 },
    Insert { at: prop::sample::Index, piece: &'static str },
    Delete { at: prop::sample::Index, length: usize },
    Repeat { at: prop::sample::Index, length: usize },
    Cut { at: prop::sample::Index },
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &prop::sample::Index, bytes: &Vec<u8>| at.index(bytes.len().max(1)).min(bytes.len());
        match self {
            Self::Byte { at, to } => {
                let at = place(at, bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = *to;
                }
            }
            Self::Insert { at, piece } => {
                let at = place(at, bytes);
                bytes.splice(at..at, piece.bytes());
            }
            Self::Delete { at, length } => {
                let at = place(at, bytes);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Self::Repeat { at, length } => {
                let at = place(at, bytes);
                let part = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            Self::Cut { at } => bytes.truncate(place(at, bytes)),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, to)| Mutation::Byte { at, to }),
        4 => (at(), prop::sample::select(PIECES)).prop_map(|(at, piece)| Mutation::Insert { at, piece }),
        2 => (at(), 1..20_usize).prop_map(|(at, length)| Mutation::Delete { at, length }),
        2 => (at(), 1..60_usize).prop_map(|(at, length)| Mutation::Repeat { at, length }),
        1 => at().prop_map(|at| Mutation::Cut { at }),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let axes = prop::option::of(prop::sample::select(vec![Axes::Sat, Axes::Ast]));
    let initial = prop::option::of(prop::sample::select(vec!["uniform", "0", "99", "full", ""]));
    let rewards = prop::option::of(prop::sample::select(vec!["profit", "steps", "R", "shape"]));
    (axes, initial, rewards, any::<bool>()).prop_map(|(axes, initial, rewards, normalise)| Options {
        format: None,
        gamma: Number::double(0.5),
        initial: initial.map(str::to_owned),
        axes,
        rewards: rewards.map(str::to_owned),
        normalise,
    })
}

/// Converts, and holds what comes out against what is promised.
fn judged(sources: Vec<Source>, options: &Options) {
    match convert(sources, options) {
        Err(error) => {
            let message = format!("{error:#}");
            assert!(!message.is_empty() && !message.contains("internal error"), "{message}");
        }
        Ok(conversion) => {
            let problem: Value = serde_json::from_str(&conversion.problem).unwrap();
            let table = |key: &str| problem["environment"][key].as_array().unwrap().clone();
            let (rewards, n) = (table("rewards"), problem["initial"].as_array().unwrap().len());
            assert_eq!(rewards.len(), n);
            let mut last = None;
            let mut sums = std::collections::BTreeMap::new();
            for entry in table("transitions") {
                let at = [0, 1, 2].map(|i| entry[i].as_u64().unwrap());
                assert!(last < Some(at) && at[2] < n as u64, "each once, in order");
                last = Some(at);
                let number = match &entry[3] {
                    Value::String(text) => text.parse::<Numeral>().unwrap().approximate(),
                    number => number.as_f64().unwrap(),
                };
                assert!((0.0..=1.0 + 1e-8).contains(&number), "{number}");
                *sums.entry((at[0], at[1])).or_insert(0.0) += number;
                assert!(!rewards[at[0] as usize][at[1] as usize].is_null());
            }
            assert!(sums.values().all(|sum: &f64| (sum - 1.0).abs() < 1.1e-9), "{sums:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_are_read_or_refused(
        model in any::<prop::sample::Index>(),
        file in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..5),
        options in options(),
    ) {
        let mut models = models();
        let mut sources = models.swap_remove(model.index(models.len()));
        let file = file.index(sources.len());
        for mutation in &mutations {
            mutation.apply(&mut sources[file].bytes);
        }
        judged(sources, &options);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), options in options()) {
        for format in [Format::Csv, Format::Npz, Format::Drn, Format::Prism] {
            let options = Options { format: Some(format), ..options.clone() };
            judged(vec![Source { name: "file.tra".to_owned(), bytes: bytes.clone() }], &options);
        }
    }
}

#[test]
fn models_themselves_are_read() {
    for sources in models() {
        let rewards = (sources[0].name == "repair.drn").then(|| "profit".to_owned());
        let options = Options { gamma: Number::double(0.5), normalise: true, rewards, ..Options::default() };
        judged(sources.clone(), &options);
        convert(sources, &options).unwrap();
    }
}

/// An archive of one array of so many zeros.
fn archive_of_zeros(length: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("P.npy", SimpleFileOptions::default()).unwrap();
    let mut header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({length},), }}").into_bytes();
    header.resize(118, b' ');
    writer.write_all(b"\x93NUMPY\x01\x00\x76\x00").unwrap();
    writer.write_all(&header).unwrap();
    writer.write_all(&vec![0; length]).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let refused = |bytes: Vec<u8>| {
        let source = Source { name: "a.npz".to_owned(), bytes };
        format!("{:#}", convert(vec![source], &Options::default()).unwrap_err())
    };
    let message = refused(archive_of_zeros(100 << 20));
    assert!(message.contains("a.npz: P: unpacks to 104857728 bytes, expected at most "), "{message}");
    let message = refused(archive_of_zeros(1 << 20));
    assert!(message.contains("has shape [1048576], expected [S, A, S]"), "{message}");
    // The size is a lie, in both places where it is said.
    let mut bytes = archive_of_zeros(100 << 20);
    let size = (128 + (100_u32 << 20)).to_le_bytes();
    let lie = 1000_u32.to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == size).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + 4].copy_from_slice(&lie));
    let message = refused(bytes);
    assert!(message.starts_with("a.npz: P: "), "{message}");
}

/// Inputs that are small and mean much work are refused, or done, at once.
#[test]
fn nothing_takes_long() {
    let csv =
        |rows: String| Source { name: "a.csv".to_owned(), bytes: format!("s,a,t,p,r\n{rows}").into_bytes() };
    let many = |row: &dyn Fn(usize) -> String| csv((0..40_000).map(row).collect());
    let cases = [
        ("a far state", csv("4000000000,0,0,1,0\n".to_owned())),
        ("a far action", csv("0,4000000000,0,1,0\n".to_owned())),
        ("nothing", many(&|i| format!("{},0,{},1e-390,1e-9\n", i / 2, i % 2))),
        ("small numbers", many(&|i| format!("{},0,{},{}e-300,{i}e-99\n", i / 2, i % 2, i + 1))),
        ("unrelated fractions", many(&|i| format!("0,0,{i},1/{},1\n", 1_000_003 + 2 * i))),
        ("unrelated rewards", many(&|i| format!("0,0,{i},0.000025,1/{}\n", 1_000_003 + 2 * i))),
        ("long decimals", csv(format!("0,0,0,0.{},1\n", "3".repeat(1_000_000)))),
        ("one transition in parts", many(&|_| "0,0,0,0.000025,1\n".to_owned())),
    ];
    for (name, source) in cases {
        for normalise in [false, true] {
            let options = Options { gamma: Number::double(0.5), normalise, ..Options::default() };
            let start = Instant::now();
            judged(vec![source.clone()], &options);
            assert!(start.elapsed() < Duration::from_secs(20), "{name}: {:?}", start.elapsed());
            eprintln!("{name}, normalise {normalise}: {:?}", start.elapsed());
        }
    }
}
