//! NumPy's archives of arrays (.npz), and arrays one a file (.npy).

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use anyhow::{Context, anyhow, bail};
use zip::ZipArchive;

use super::conversion::Source;
use super::npy::Array;
use super::number::Number;
use super::text::excerpt;

/// What a file may unpack to, for each of its bytes: about what deflate can.
const EXPANSION: u64 = 1000;
/// What any file may unpack to, and more than any.
const SMALL: u64 = 1 << 24;
const MOST: u64 = 1 << 32;

/// An array and where it is from.
pub struct Member {
    /// Its name.
    pub name: String,
    /// The file and the name.
    pub place: String,
    /// The array.
    pub array: Array,
}

impl Member {
    /// Its numbers, so many in one axis.
    ///
    /// # Errors
    /// Another shape, and entries that are no numbers.
    pub fn vector(&self, length: usize) -> anyhow::Result<Vec<Number>> {
        if self.array.len() != length || self.array.shape.len() > 1 {
            bail!("{}: has shape {:?}, expected [{length}]", self.place, self.array.shape);
        }
        let number = |i| self.array.number(i).map_err(|error| anyhow!("{}[{i}] {error}", self.place));
        (0..length).map(number).collect()
    }
}

/// Arrays by name, unpacked when they are taken.
pub struct Store {
    /// The names of the files.
    pub files: Vec<String>,
    archives: Vec<Option<ZipArchive<Cursor<Vec<u8>>>>>,
    members: BTreeMap<String, Packed>,
    /// How many bytes may still be unpacked.
    budget: u64,
}

enum Packed {
    Bytes(usize, Vec<u8>),
    /// The archive and the position in it.
    Zip(usize, usize),
}

impl Store {
    /// Opens files.
    ///
    /// # Errors
    /// Files that are not archives; two arrays of one name.
    pub fn open(sources: Vec<Source>) -> anyhow::Result<Self> {
        let length: u64 = sources.iter().map(|source| source.bytes.len() as u64).sum();
        let budget = length.saturating_mul(EXPANSION).clamp(SMALL, MOST).max(length);
        let mut store = Self { files: Vec::new(), archives: Vec::new(), members: BTreeMap::new(), budget };
        for (number, source) in sources.into_iter().enumerate() {
            let file = source.name.clone();
            store.files.push(file.clone());
            if source.bytes.starts_with(b"\x93NUMPY") {
                store.archives.push(None);
                store.add(source.stem(), Packed::Bytes(number, source.bytes)).context(file)?;
                continue;
            }
            let archive = ZipArchive::new(Cursor::new(source.bytes));
            let archive =
                archive.map_err(|error| anyhow!("{file}: is no archive of NumPy arrays: {error}"))?;
            for at in 0..archive.len() {
                let Some(Ok(name)) = archive.name_for_index(at) else { continue };
                if let Some(name) = name.strip_suffix(".npy") {
                    store.add(name.to_owned(), Packed::Zip(number, at)).context(file.clone())?;
                }
            }
            store.archives.push(Some(archive));
        }
        Ok(store)
    }

    fn add(&mut self, name: String, packed: Packed) -> anyhow::Result<()> {
        match self.members.insert(name.clone(), packed) {
            None => Ok(()),
            Some(_) => {
                bail!("has the array \"{}\", which another has, too; expected it once", excerpt(&name))
            }
        }
    }

    /// The names of the arrays that have not been taken.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    /// The first array that has one of the names.
    ///
    /// # Errors
    /// Bytes that are not those of an array, and more than a file of its size may have.
    pub fn take(&mut self, names: &[&str]) -> anyhow::Result<Option<Member>> {
        let Some(name) = names.iter().find(|name| self.members.contains_key(**name)) else { return Ok(None) };
        let Some(packed) = self.members.remove(*name) else { return Ok(None) };
        let (number, bytes) = match packed {
            Packed::Bytes(number, bytes) => (number, Ok(bytes)),
            Packed::Zip(number, at) => (number, self.unpacked(number, at)),
        };
        let place = format!("{}: {name}", self.files[number]);
        let array = bytes.and_then(Array::parse).with_context(|| place.clone())?;
        Ok(Some(Member { name: (*name).to_owned(), place, array }))
    }

    fn unpacked(&mut self, number: usize, at: usize) -> anyhow::Result<Vec<u8>> {
        let Some(Some(archive)) = self.archives.get_mut(number) else { bail!("is no archive") };
        let mut member = archive.by_index(at).map_err(|error| anyhow!("cannot be unpacked: {error}"))?;
        let (declared, budget) = (member.size(), self.budget);
        let too_large =
            |size: u64| anyhow!("unpacks to {size} bytes, expected at most {budget} for a file of this size");
        if declared > budget {
            return Err(too_large(declared));
        }
        let mut bytes = Vec::new();
        let count = member.by_ref().take(budget.saturating_add(1)).read_to_end(&mut bytes);
        count.map_err(|error| anyhow!("cannot be unpacked: {error}"))?;
        let length = bytes.len() as u64;
        if length > budget {
            return Err(too_large(length));
        }
        self.budget -= length;
        Ok(bytes)
    }
}
