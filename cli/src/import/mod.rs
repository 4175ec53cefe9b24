//! `pemdp import`: a problem from the files that people have.
//!
//! `conversion` goes from bytes to a problem; each format is read into the `model`, whose
//! rewards (`rewards`) and spelling (`problem`) are the same for all; `number` and `exact`
//! have numbers without rounding.

pub mod archive;
pub mod command;
pub mod conversion;
mod csv;
mod distribution;
mod drn;
mod drn_header;
mod exact;
mod model;
pub mod npy;
pub mod npz;
pub mod number;
mod prism;
mod problem;
mod rewards;
mod spelling;
mod text;

#[cfg(test)]
mod tests;

pub use command::run;
