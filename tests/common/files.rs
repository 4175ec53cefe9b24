//! The files of `tests/vectors`.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A folder of `tests/vectors`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// The JSON files of a folder with the given format, by name.
pub fn files(name: &str, format: &str) -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder(name)).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let json = paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = json.map(|path| {
        let value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), value)
    });
    read.filter(|(_, value)| value["format"] == format).collect()
}
