//! The gridworld as given.

use std::borrow::Cow;

use super::{Gridworld, N_ACTIONS, N_STATES, SIDE, initial, perturbed_grid};
use crate::arithmetic::{Field, Rational, Transcendental};
use crate::environments::{Given, Specification, Structure, Work};
use crate::mdp::ModelError;
use crate::problem::checker::{Checked, Checker, unexpected};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::{Fields, Node};
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::{Axis, Reader, nested, positive_length};
use crate::problem::writer::Writer;
use crate::response::Response;

/// The two-agent gridworld as given.
#[derive(Debug, Clone, PartialEq)]
pub struct GridworldSpec {
    /// The inverse temperature of the followers' average response.
    pub beta: Numeral,
    /// The followers.
    pub followers: Followers,
}

/// The followers of the gridworld.
#[derive(Clone, Debug, PartialEq)]
pub enum Followers {
    /// Perturbed grids from the seeds `0..count`.
    Seeded {
        /// The probability that a cell is perturbed.
        eps: Numeral,
        /// The number of followers.
        count: usize,
    },
    /// The perturbed grids themselves, 64 cells each, row by row.
    Given(Vec<Vec<Numeral>>),
}

impl Followers {
    /// How many they are.
    // Inlined into a loop, LLVM 22 reads the count there also where the environment is another.
    #[inline(never)]
    pub fn count(&self) -> usize {
        match self {
            Self::Seeded { count, .. } => *count,
            Self::Given(grids) => grids.len(),
        }
    }
}

/// The largest number of followers.
const LARGEST_COUNT: usize = 10_000;
/// The largest inverse temperature.
const LARGEST_BETA: f64 = 1e6;
/// Steps of policy iteration of a follower, about.
const STEPS: f64 = 4.0;

const GRIDS: &str = "environment.perturbed_grids";

impl GridworldSpec {
    /// The response, with what else it can be asked.
    ///
    /// # Errors
    /// [`ModelError`] for a grid without 64 cells, which checked data never have.
    pub fn world<T: Transcendental>(&self, gamma: &Numeral) -> Result<Gridworld<T>, ModelError> {
        let (beta, gamma) = (self.beta.lift(), gamma.lift());
        match &self.followers {
            Followers::Given(grids) => {
                let grid = |cells: &Vec<Numeral>| {
                    let (seen, expected) = (cells.len(), N_STATES);
                    let lifted: Vec<T> = lift(cells);
                    lifted.try_into().map_err(|_| ModelError::Shape { what: "grid", seen, expected })
                };
                Gridworld::with_grids(beta, gamma, grids.iter().map(grid).collect::<Result<_, _>>()?)
            }
            Followers::Seeded { eps, count } => {
                // Draws are doubles: they are at most eps where they are at most this one.
                let eps = eps.round_down();
                let grid = |seed| perturbed_grid(eps, seed);
                Gridworld::new(beta, gamma, (0..*count as u32).map(grid).collect())
            }
        }
    }
}

impl Specification for GridworldSpec {
    const KIND: &'static str = "gridworld";
    const KEYS: &'static [&'static str] = &["beta", "eps", "followers", "perturbed_grids"];
    const DOCUMENTATION: [&'static str; 2] = [
        "`eps`, `beta`, `followers`; **or** `perturbed_grids[f][i][j]` in place of `eps` and `followers`",
        "[gridworld.md](gridworld.md)",
    ];

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let beta = fields.required("beta")?.numeral(reader.reading)?;
        let seeded = fields.has("eps") || fields.has("followers");
        let followers = match fields.optional("perturbed_grids") {
            Some(grids) if seeded => {
                return Err(grids.error("stands beside eps or followers, expected either those two or this"));
            }
            Some(grids) => Followers::Given(read_grids(&grids, reader)?),
            None => {
                let eps = fields.required("eps")?.numeral(reader.reading)?;
                let count = fields.required("followers")?.count(1..=LARGEST_COUNT)?;
                Followers::Seeded { eps, count }
            }
        };
        Ok(Self { beta, followers })
    }

    fn write(&self, _given: Given<'_>, file: &mut Writer) {
        file.number("beta", &self.beta);
        match &self.followers {
            Followers::Seeded { eps, count } => {
                file.number("eps", eps);
                file.count("followers", *count);
            }
            Followers::Given(grids) => {
                file.array("perturbed_grids", &[grids.len(), SIDE, SIDE], &grids.concat());
            }
        }
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        checker.shape("the gridworld", N_STATES, N_ACTIONS)?;
        checker.number("environment.beta", &[], &self.beta)?;
        if self.beta.is_negative() || self.beta.compare(LARGEST_BETA).is_gt() {
            unexpected("environment.beta", &[], &self.beta, "a number from 0 to 1e6")?;
        }
        let count = self.followers.count();
        let path =
            if matches!(self.followers, Followers::Given(_)) { GRIDS } else { "environment.followers" };
        if !(1..=LARGEST_COUNT).contains(&count) {
            return Err(InputError::new(
                path,
                format!("gives {count} followers, expected 1 to {LARGEST_COUNT}"),
            ));
        }
        match &self.followers {
            Followers::Seeded { eps, .. } => checker.probability("environment.eps", &[], eps)?,
            Followers::Given(grids) => {
                for (f, grid) in grids.iter().enumerate() {
                    checker.each(GRIDS, grid, &[SIDE, SIDE], |cell, x| {
                        let within = x.is_finite() && x.approximate().is_finite();
                        let index = [f, cell[0], cell[1]];
                        if within { Ok(()) } else { unexpected(GRIDS, &index, x, WITHIN_DOUBLES) }
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Uniform over the first row and the first column.
    fn initial(&self) -> Option<Vec<Numeral>> {
        Some(initial::<Rational>().into_iter().map(Numeral::from).collect())
    }

    fn rational_response<T: Field>(
        &self,
        _given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        Ok(None)
    }

    fn response<T: Transcendental>(&self, given: Given<'_>) -> Result<Box<dyn Response<T>>, ModelError> {
        Ok(Box::new(self.world(given.gamma)?))
    }

    fn not_rational(&self) -> Option<(String, String)> {
        let others = "fixed, explicit, affine, loan, coin or exponential-family";
        Some(("environment.kind".to_owned(), format!("gridworld is not rational, expected {others}")))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        Structure::Followers(Cow::Borrowed(self))
    }

    fn work(&self, given: Given<'_>) -> Work {
        let count = self.followers.count() as f64;
        Work { systems: 1.0 + STEPS * count, exponentials: 5.0 * given.n_states as f64 }
    }

    fn summary(&self, show: &dyn Fn(&Numeral) -> String) -> String {
        let (count, beta) = (self.followers.count(), show(&self.beta));
        let followers = if count == 1 { "1 follower".to_owned() } else { format!("{count} followers") };
        match &self.followers {
            Followers::Seeded { eps, .. } => format!("eps {}, beta {beta}, {followers}", show(eps)),
            Followers::Given(_) => format!("beta {beta}, {followers} with given grids"),
        }
    }
}

/// Followers' values are doubles at first.
const WITHIN_DOUBLES: &str = "a number within the range of doubles";

#[cfg(feature = "json")]
fn read_grids(node: &Node<'_>, reader: &Reader) -> Checked<Vec<Vec<Numeral>>> {
    let count = positive_length(node, "grid")?.length;
    if count > LARGEST_COUNT {
        return Err(node.error(format!("has length {count}, expected at most {LARGEST_COUNT} grids")));
    }
    let shape = [Axis { length: SIDE, of: "row" }, Axis { length: SIDE, of: "column" }];
    let mut grids = Vec::with_capacity(count);
    for grid in node.array()? {
        let mut cells = Vec::with_capacity(N_STATES);
        nested(&grid, &shape, &mut |cell| {
            cells.push(cell.numeral(reader.reading)?);
            Ok(())
        })?;
        grids.push(cells);
    }
    Ok(grids)
}
