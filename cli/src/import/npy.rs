//! NumPy's arrays: the format .npy, versions 1 to 3.

use anyhow::{anyhow, bail};

use super::number::Number;
use super::text::excerpt;

/// An array of numbers, as bytes.
#[derive(Debug)]
pub struct Array {
    /// The lengths of its axes.
    pub shape: Vec<usize>,
    kind: Kind,
    /// Bytes of one entry.
    size: usize,
    is_big_endian: bool,
    /// Whether the first axis is the one whose entries are neighbours.
    is_fortran: bool,
    bytes: Vec<u8>,
    /// Where the entries begin.
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    Text,
}

impl Array {
    /// Reads an array.
    ///
    /// # Errors
    /// Bytes that are not those of an array of numbers, and a shape that is not theirs.
    pub fn parse(bytes: Vec<u8>) -> anyhow::Result<Self> {
        const MAGIC: &[u8] = b"\x93NUMPY";
        let Some([major, _]) = bytes.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<2>()) else {
            bail!("does not begin as NumPy's arrays do");
        };
        let rest = &bytes[MAGIC.len() + 2..];
        let (length, at) = match (major, rest.first_chunk::<2>(), rest.first_chunk::<4>()) {
            (1, Some(length), _) => (usize::from(u16::from_le_bytes(*length)), MAGIC.len() + 4),
            (2 | 3, _, Some(length)) => (u32::from_le_bytes(*length) as usize, MAGIC.len() + 6),
            (1..=3, ..) => bail!("ends in its header"),
            _ => bail!("has version {major}, expected 1, 2 or 3"),
        };
        let start = at.saturating_add(length);
        let header = bytes.get(at..start).ok_or_else(|| anyhow!("ends in its header"))?;
        let header = String::from_utf8_lossy(header);
        let descr = value(&header, "descr")?;
        let (kind, size, is_big_endian) = dtype(descr)?;
        let is_fortran = match value(&header, "fortran_order")? {
            "True" => true,
            "False" => false,
            other => bail!("has fortran_order {}, expected True or False", excerpt(other)),
        };
        let shape = shape(value(&header, "shape")?)?;
        let entries = shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
        let expected = entries.and_then(|entries| entries.checked_mul(size));
        if expected != Some(bytes.len() - start) {
            bail!(
                "has {} bytes of entries, expected those of {size} bytes each in shape {shape:?}",
                bytes.len() - start
            );
        }
        Ok(Self { shape, kind, size, is_big_endian, is_fortran, bytes, start })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where the entry at an index is; the index lies in the shape.
    pub fn position(&self, index: &[usize]) -> usize {
        let axes = index.iter().zip(&self.shape);
        let fold = |position: usize, (i, length): (&usize, &usize)| position * length + i;
        if self.is_fortran { axes.rev().fold(0, fold) } else { axes.fold(0, fold) }
    }

    /// The bytes of an entry in little-endian order, filled up with zeros, and its first byte in that of the file.
    fn entry(&self, position: usize) -> [u8; 8] {
        let mut entry = [0; 8];
        let from = self.start + position * self.size;
        let bytes = self.bytes.get(from..from + self.size).unwrap_or_default();
        for (to, byte) in entry.iter_mut().zip(bytes) {
            *to = *byte;
        }
        if self.is_big_endian {
            entry[..self.size].reverse();
        }
        entry
    }

    /// Whether an entry is 0.
    pub fn is_zero(&self, position: usize) -> bool {
        match self.kind {
            Kind::Float => self.float(position) == 0.0,
            _ => self.entry(position) == [0; 8],
        }
    }

    fn float(&self, position: usize) -> f64 {
        let entry = self.entry(position);
        if self.size == 4 {
            let [a, b, c, d, ..] = entry;
            return f64::from(f32::from_le_bytes([a, b, c, d]));
        }
        f64::from_le_bytes(entry)
    }

    fn integer(&self, position: usize) -> i128 {
        let raw = u64::from_le_bytes(self.entry(position));
        if self.kind == Kind::Signed {
            let unused = 64 - 8 * self.size as u32;
            return i128::from((raw << unused).cast_signed() >> unused);
        }
        i128::from(raw)
    }

    /// An entry as a number; `None` for minus infinity.
    ///
    /// # Errors
    /// Other entries that are no numbers.
    pub fn number_or_minus_infinity(&self, position: usize) -> anyhow::Result<Option<Number>> {
        if self.kind == Kind::Float {
            let x = self.float(position);
            return match Number::double(x) {
                Some(number) => Ok(Some(number)),
                None if x == f64::NEG_INFINITY => Ok(None),
                None => bail!("is {x}, expected a number"),
            };
        }
        let integer = self.integer(position);
        let number = match Number::double(integer as f64) {
            Some(number) if number.approximate() as i128 == integer => number,
            _ => Number::spelled(&integer.to_string())
                .map_err(|expected| anyhow!("is {integer}, expected {expected}"))?,
        };
        Ok(Some(number))
    }

    /// An entry as a number.
    ///
    /// # Errors
    /// Entries that are no numbers.
    pub fn number(&self, position: usize) -> anyhow::Result<Number> {
        self.number_or_minus_infinity(position)?.ok_or_else(|| anyhow!("is -inf, expected a number"))
    }

    /// An entry as a natural number below a bound.
    ///
    /// # Errors
    /// Any other entry.
    pub fn natural(&self, position: usize, below: usize) -> anyhow::Result<usize> {
        if !matches!(self.kind, Kind::Signed | Kind::Unsigned) {
            bail!("has entries that are not integers, expected integers");
        }
        let integer = self.integer(position);
        let natural = usize::try_from(integer).ok().filter(|natural| *natural < below);
        natural.ok_or_else(|| {
            anyhow!("has the entry {integer}, expected an integer from 0 to {}", below.saturating_sub(1))
        })
    }

    /// The characters of an array of bytes.
    pub fn text(&self) -> Option<String> {
        let bytes = self.bytes.get(self.start..)?;
        (self.kind == Kind::Text).then(|| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
    }
}

/// What a dtype such as `'<f8'` says.
fn dtype(descr: &str) -> anyhow::Result<(Kind, usize, bool)> {
    let unknown =
        || anyhow!("has entries of type {}, expected float32, float64, integers or booleans", excerpt(descr));
    let quoted = descr.trim_matches(['\'', '"']);
    let mut characters = quoted.chars();
    let (order, letter) = (characters.next(), characters.next());
    let size: usize = characters.as_str().parse().map_err(|_| unknown())?;
    let is_big_endian = match order {
        Some('<' | '|' | '=') => false,
        Some('>') => true,
        _ => return Err(unknown()),
    };
    let kind = match (letter, size) {
        (Some('f'), 4 | 8) => Kind::Float,
        (Some('i'), 1 | 2 | 4 | 8) => Kind::Signed,
        (Some('u'), 1 | 2 | 4 | 8) | (Some('b'), 1) => Kind::Unsigned,
        (Some('S'), 1..=8) => Kind::Text,
        _ => return Err(unknown()),
    };
    Ok((kind, size, is_big_endian))
}

/// The text of a value in the dictionary of a header.
fn value<'a>(header: &'a str, key: &str) -> anyhow::Result<&'a str> {
    let missing = || anyhow!("has no \"{key}\" in its header");
    let at = header.find(&format!("'{key}'")).ok_or_else(missing)?;
    let rest = header[at + key.len() + 2..].trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start();
    let end = match rest.chars().next() {
        Some('(') => rest.find(')').map(|end| end + 1),
        Some('[') => rest.find(']').map(|end| end + 1),
        _ => rest.find([',', '}']),
    };
    Ok(rest[..end.ok_or_else(missing)?].trim_end())
}

/// A tuple of lengths.
fn shape(text: &str) -> anyhow::Result<Vec<usize>> {
    let wrong = || anyhow!("has the shape {}, expected a tuple of integers", excerpt(text));
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).ok_or_else(wrong)?;
    let inside = inside.trim().trim_end_matches(',');
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let shape = inside.split(',').map(|length| length.trim().parse().map_err(|_| wrong()));
    let shape = shape.collect::<anyhow::Result<Vec<usize>>>()?;
    if shape.len() > 32 {
        return Err(wrong());
    }
    Ok(shape)
}
