//! The gridworld as given.

use std::borrow::Cow;
#[cfg(feature = "json")]
use std::collections::BTreeMap;

use super::{GRID, Gridworld, INTERVENTION_COST, Layout, N_ACTIONS, SIDE, TERMINAL};
use crate::arithmetic::{Field, Rational, Transcendental};
use crate::environments::{Given, Specification, Structure, Work};
use crate::mdp::ModelError;
use crate::problem::checker::{Checked, Checker, place, unexpected};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::{Fields, Node};
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::{Axis, Reader, positive_length};
use crate::problem::writer::Writer;
use crate::response::Response;

/// The two-agent gridworld as given.
#[derive(Debug, Clone, PartialEq)]
pub struct GridworldSpec {
    /// The inverse temperature of the followers' average response.
    pub beta: Numeral,
    /// The followers.
    pub followers: Followers,
    /// The learner's cell values, row by row.
    pub cells: Vec<Numeral>,
    /// The number of cells in a row.
    pub columns: usize,
    /// The terminal states: absorbing, reward 0.
    pub terminal: Vec<usize>,
    /// What a follower pays to override a move.
    pub intervention_cost: Numeral,
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
    /// The perturbed grids themselves, with as many cells as the learner's, row by row.
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
const CELLS: &str = "environment.cells";
const TERMINAL_STATES: &str = "environment.terminal";

impl GridworldSpec {
    /// The benchmark's own grid with followers.
    pub fn benchmark(beta: Numeral, followers: Followers) -> Self {
        Self {
            beta,
            followers,
            cells: GRID.map(Numeral::from).to_vec(),
            columns: SIDE,
            terminal: vec![TERMINAL],
            intervention_cost: Numeral::from(INTERVENTION_COST),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns.max(1)
    }

    /// The shape of the grid and its terminal cells.
    pub fn layout(&self) -> Layout {
        Layout::new(self.rows(), self.columns, &self.terminal)
    }

    /// Whether the learner's grid is the benchmark's, 8 x 8.
    fn has_benchmark_cells(&self) -> bool {
        self.columns == SIDE
            && self.cells.len() == GRID.len()
            && self.cells.iter().eq(&GRID.map(Numeral::from))
    }

    /// The terminal state where none is given: the last one.
    fn ends_in_the_last_cell(&self) -> bool {
        self.cells.len().checked_sub(1).is_some_and(|last| self.terminal == [last])
    }

    /// The response, with what else it can be asked.
    ///
    /// # Errors
    /// [`ModelError`] for a follower's grid with another number of cells than the learner's,
    /// which checked data never have.
    pub fn world<T: Transcendental>(&self, gamma: &Numeral) -> Result<Gridworld<T>, ModelError> {
        let (layout, cells): (Layout, Vec<T>) = (self.layout(), lift(&self.cells));
        let followers = match &self.followers {
            Followers::Given(grids) => grids.iter().map(|grid| lift(grid)).collect(),
            Followers::Seeded { eps, count } => {
                // Draws are doubles: they are at most eps where they are at most this one.
                let eps = eps.round_down();
                (0..*count as u32).map(|seed| layout.perturbed(&cells, eps, seed)).collect()
            }
        };
        let world = Gridworld::with_grids(layout, cells, self.beta.lift(), gamma.lift(), followers)?;
        Ok(world.with_intervention_cost(self.intervention_cost.lift()))
    }

    /// Checks the learner's grid and its terminal states.
    fn check_cells(&self, checker: &Checker) -> Checked<()> {
        let (count, columns) = (self.cells.len(), self.columns);
        if columns == 0 || !count.is_multiple_of(columns) {
            let problem = format!("has {count} cells, expected rows of {columns} columns");
            return Err(InputError::new(CELLS, problem));
        }
        if count < 2 {
            return Err(InputError::new(CELLS, format!("has {count} cells, expected at least 2")));
        }
        let name = if self.has_benchmark_cells() {
            "the gridworld, 8 x 8 unless its cells are given".to_owned()
        } else {
            format!("a gridworld of {} x {columns} cells", self.rows())
        };
        checker.shape(&name, count, N_ACTIONS)?;
        checker
            .each(CELLS, &self.cells, &[self.rows(), columns], |index, x| within_doubles(CELLS, index, x))?;
        let mut is_terminal = vec![false; count];
        for (i, &state) in self.terminal.iter().enumerate() {
            let wrong = |problem: String| Err(InputError::new(place(TERMINAL_STATES, &[i]), problem));
            match is_terminal.get_mut(state) {
                None => return wrong(format!("is {state}, expected a state from 0 to {}", count - 1)),
                Some(true) => return wrong(format!("is {state} again, expected each terminal state once")),
                Some(is_terminal) => *is_terminal = true,
            }
        }
        Ok(())
    }
}

/// A value of a cell: followers' values are doubles at first.
fn within_doubles(path: &str, index: &[usize], x: &Numeral) -> Checked<()> {
    if x.is_finite() && x.approximate().is_finite() {
        return Ok(());
    }
    unexpected(path, index, x, "a number within the range of doubles")
}

/// A number for each cell, row by row.
const GRID_OF_NUMBERS: Form = Form::Filled(&Form::Filled(&Form::NUMBER));

impl Specification for GridworldSpec {
    const KIND: &'static str = "gridworld";
    const KEYS: &'static [Key] = &[
        Key::required("eps", Form::PROBABILITY, "`eps`, how likely a cell is perturbed")
            .unless("perturbed_grids"),
        Key::required(
            "followers",
            Form::Integer { least: 1, most: Some(LARGEST_COUNT) },
            "`followers`, how many",
        )
        .unless("perturbed_grids"),
        Key::optional(
            "perturbed_grids",
            Form::Filled(&GRID_OF_NUMBERS),
            "**or**, in place of both, `perturbed_grids[f][i][j]`",
        )
        .excluding(&["eps", "followers"]),
        Key::required("beta", Form::Number { least: Some(0.0), most: Some(LARGEST_BETA) }, "`beta`"),
        Key::optional("cells", GRID_OF_NUMBERS, "`cells[i][j]` (default: the benchmark's, 8 x 8)"),
        Key::optional("terminal", Form::Set(&Form::INDEX), "`terminal`: states (default: the last one)"),
        Key::optional("intervention_cost", Form::NOT_NEGATIVE, "`intervention_cost` (default 0.05)"),
    ];
    const NOTES: &'static str = "any N x M grid, state M·i + j, four actions; [gridworld.md](gridworld.md)";
    const HAS_INITIAL: bool = true;

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let beta = fields.required("beta")?.numeral(reader.reading)?;
        let seeded = fields.has("eps") || fields.has("followers");
        let grids = match fields.optional("perturbed_grids") {
            Some(grids) if seeded => {
                return Err(grids.error("stands beside eps or followers, expected either those two or this"));
            }
            Some(grids) => Some((follower_count(&grids)?, grids)),
            None => None,
        };
        let (columns, cells) = match (fields.optional("cells"), &grids) {
            (Some(cells), _) => Self::read_cells(&cells, reader)?,
            (None, Some((count, grids))) => Self::cells_of_followers(*count, grids, reader)?,
            (None, None) => (SIDE, GRID.map(Numeral::from).to_vec()),
        };
        let followers = match grids {
            Some((count, grids)) => {
                Followers::Given(read_grids(count, &grids, [cells.len() / columns, columns], reader)?)
            }
            None => {
                let eps = fields.required("eps")?.numeral(reader.reading)?;
                let count = fields.required("followers")?.count(1..=LARGEST_COUNT)?;
                Followers::Seeded { eps, count }
            }
        };
        let terminal = match fields.optional("terminal") {
            Some(states) => {
                states.array()?.map(|state| state.index(cells.len(), "a state")).collect::<Result<_, _>>()?
            }
            None => vec![cells.len() - 1],
        };
        let intervention_cost = match fields.optional("intervention_cost") {
            Some(cost) => cost.numeral(reader.reading)?,
            None => Numeral::from(INTERVENTION_COST),
        };
        Ok(Self { beta, followers, cells, columns, terminal, intervention_cost })
    }

    fn write(&self, _given: Given<'_>, file: &mut Writer) {
        file.number("beta", &self.beta);
        let shape = [self.rows(), self.columns];
        if !self.has_benchmark_cells() {
            file.array("cells", &shape, &self.cells);
        }
        if !self.ends_in_the_last_cell() {
            file.counts("terminal", &self.terminal);
        }
        if self.intervention_cost != Numeral::from(INTERVENTION_COST) {
            file.number("intervention_cost", &self.intervention_cost);
        }
        match &self.followers {
            Followers::Seeded { eps, count } => {
                file.number("eps", eps);
                file.count("followers", *count);
            }
            Followers::Given(grids) => {
                file.array("perturbed_grids", &[grids.len(), shape[0], shape[1]], &grids.concat());
            }
        }
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        self.check_cells(checker)?;
        checker.number("environment.beta", &[], &self.beta)?;
        if self.beta.is_negative() || self.beta.compare(LARGEST_BETA).is_gt() {
            unexpected("environment.beta", &[], &self.beta, "a number from 0 to 1e6")?;
        }
        checker.at_least_zero("environment.intervention_cost", &[], &self.intervention_cost)?;
        within_doubles("environment.intervention_cost", &[], &self.intervention_cost)?;
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
                    checker.each(GRIDS, grid, &[self.rows(), self.columns], |cell, x| {
                        within_doubles(GRIDS, &[f, cell[0], cell[1]], x)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Uniform over the cells of the first row and the first column that are not terminal.
    fn initial(&self) -> Option<Vec<Numeral>> {
        Some(self.layout().initial::<Rational>()?.into_iter().map(Numeral::from).collect())
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
        let mut summary = match &self.followers {
            Followers::Seeded { eps, .. } => format!("eps {}, beta {beta}, {followers}", show(eps)),
            Followers::Given(_) => format!("beta {beta}, {followers} with given grids"),
        };
        if !self.has_benchmark_cells() {
            summary += &format!(", {} x {} cells", self.rows(), self.columns);
        }
        summary
    }
}

/// The number of rows of a grid and the number of columns that most of them have: the
/// others are wrong.
#[cfg(feature = "json")]
fn shape(node: &Node<'_>) -> Checked<[usize; 2]> {
    let lengths: Vec<usize> =
        node.array()?.map(|row| Ok(row.array()?.count())).collect::<Result<_, InputError>>()?;
    let mut counts = BTreeMap::new();
    for &length in &lengths {
        *counts.entry(length).or_insert(0_usize) += 1;
    }
    let columns = counts.into_iter().max_by_key(|&(_, count)| count).map_or(0, |(length, _)| length);
    Ok([lengths.len(), columns])
}

/// A table of this shape, row by row.
#[cfg(feature = "json")]
fn read_grid(node: &Node<'_>, [rows, columns]: [usize; 2], reader: &Reader) -> Checked<Vec<Numeral>> {
    // Of another shape: rather the whole than its first row.
    let seen = node.array()?.count();
    if seen != rows {
        return Err(node.error(format!("has length {seen}, expected {rows} rows of {columns} cells")));
    }
    let shape = [Axis { length: rows, of: "row" }, Axis { length: columns, of: "column" }];
    reader.numerals(node, &shape)
}

#[cfg(feature = "json")]
impl GridworldSpec {
    /// The number of columns and the cells of a grid of any shape.
    fn read_cells(node: &Node<'_>, reader: &Reader) -> Checked<(usize, Vec<Numeral>)> {
        positive_length(node, "row")?;
        let [rows, columns] = shape(node)?;
        let cells = read_grid(node, [rows, columns], reader)?;
        if cells.len() < 2 {
            return Err(node.error(format!("has {rows} x {columns} cells, expected at least 2 cells")));
        }
        Ok((columns, cells))
    }

    /// The learner's grid where only those of its followers are given: the benchmark's
    /// where theirs are of its shape, and else that of the only follower.
    fn cells_of_followers(count: usize, grids: &Node<'_>, reader: &Reader) -> Checked<(usize, Vec<Numeral>)> {
        let benchmark = || (SIDE, GRID.map(Numeral::from).to_vec());
        let Some(first) = grids.array()?.next() else { return Ok(benchmark()) };
        let [rows, columns] = shape(&first)?;
        if [rows, columns] == [SIDE, SIDE] || rows == 0 {
            return Ok(benchmark());
        }
        if count > 1 {
            let problem = format!(
                "is missing, expected the learner's grid, {rows} x {columns} as the {count} perturbed grids are (the \
                 grid that is built in is 8 x 8)"
            );
            return Err(InputError::new(CELLS, problem));
        }
        if rows * columns != reader.n_states() {
            let (n, states) = (rows * columns, reader.n_states());
            let problem =
                format!("has {rows} rows of {columns}, {n} cells, expected one for each of {states} states");
            return Err(first.error(problem));
        }
        Self::read_cells(&first, reader)
    }
}

/// How many grids there are.
#[cfg(feature = "json")]
fn follower_count(node: &Node<'_>) -> Checked<usize> {
    let count = positive_length(node, "grid")?.length;
    if count > LARGEST_COUNT {
        return Err(node.error(format!("has length {count}, expected at most {LARGEST_COUNT} grids")));
    }
    Ok(count)
}

#[cfg(feature = "json")]
fn read_grids(
    count: usize,
    node: &Node<'_>,
    shape: [usize; 2],
    reader: &Reader,
) -> Checked<Vec<Vec<Numeral>>> {
    let mut grids = Vec::with_capacity(count);
    for grid in node.array()? {
        grids.push(read_grid(&grid, shape, reader)?);
    }
    Ok(grids)
}
