//! Tables that fit the width of the terminal: text is broken between words, and columns
//! for which there is no room follow below. No word, and so no number, is cut.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
    Width,
};

use crate::output::width;

/// Columns apart, a line under the header, nothing else.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());
/// A space on either side of a column.
const PADDING: usize = 2;
/// And another one before the next column.
const GAP: usize = PADDING + 1;

/// A table with these columns, all aligned to the right but the first `left`. The first
/// column, which says what a row is, stands again before columns that follow below.
pub fn table(header: &[&str], rows: Vec<Vec<String>>, left: usize) -> String {
    keyed_table(header, rows, left, 1)
}

/// The same where it takes the first `keys` columns to say what a row is.
pub fn keyed_table(header: &[&str], rows: Vec<Vec<String>>, left: usize, keys: usize) -> String {
    fitted(header, &rows, left, keys, width())
}

fn fitted(header: &[&str], rows: &[Vec<String>], left: usize, keys: usize, width: usize) -> String {
    let count = rows.iter().map(Vec::len).chain([header.len()]).max().unwrap_or(0);
    let mut columns: Vec<Extent> = (0..count).map(|i| Extent::of(header, rows, i)).collect();
    // What a row is stands on one line where half of the width is enough.
    let keys = keys.min(count);
    if columns[..keys].iter().map(|column| column.most + GAP).sum::<usize>() <= width / 2 {
        columns[..keys].iter_mut().for_each(|column| column.least = column.most);
    }
    let drawn = |band: Vec<usize>| {
        let chosen: Vec<Extent> = band.iter().map(|&i| columns[i]).collect();
        drawn(header, rows, left, &band, &widths(&chosen, width))
    };
    bands(&columns, keys, width).into_iter().map(drawn).collect::<Vec<_>>().join("\n")
}

/// The widths between which a column can be laid out, without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    /// That of its longest word.
    least: usize,
    /// That of its longest line.
    most: usize,
}

impl Extent {
    fn of(header: &[&str], rows: &[Vec<String>], column: usize) -> Self {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        let cells = || header.get(column).copied().into_iter().chain(cells.clone());
        let longest = |parts: &mut dyn Iterator<Item = &str>| parts.map(|part| part.chars().count()).max();
        Self {
            least: longest(&mut cells().flat_map(str::split_whitespace)).unwrap_or(0),
            most: longest(&mut cells().flat_map(str::lines)).unwrap_or(0),
        }
    }
}

/// The columns that stand beside each other, each time after the keys.
fn bands(columns: &[Extent], keys: usize, width: usize) -> Vec<Vec<usize>> {
    let room = |i: usize| columns[i].least + GAP;
    let keys: Vec<usize> = (0..keys).collect();
    let taken_by_keys: usize = keys.iter().map(|&i| room(i)).sum();
    let mut bands = vec![keys.clone()];
    let mut taken = taken_by_keys;
    for i in keys.len()..columns.len() {
        let has_others = bands.last().is_some_and(|band| band.len() > keys.len());
        if has_others && taken + room(i) > width + 1 {
            bands.push(keys.clone());
            taken = taken_by_keys;
        }
        taken += room(i);
        bands.last_mut().into_iter().for_each(|band| band.push(i));
    }
    bands
}

/// The widths of columns beside each other: the widest give way first.
fn widths(columns: &[Extent], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.most).collect();
    while widths.iter().map(|w| w + GAP).sum::<usize>() > width + 1 {
        let can_give = (0..widths.len()).filter(|&i| widths[i] > columns[i].least);
        let Some(widest) = can_give.max_by_key(|&i| widths[i]) else { break };
        widths[widest] -= 1;
    }
    widths
}

fn drawn(header: &[&str], rows: &[Vec<String>], left: usize, band: &[usize], widths: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !header.is_empty() {
        table.set_header(band.iter().map(|&i| header.get(i).copied().unwrap_or_default()));
    }
    let cell = |row: &Vec<String>, i: usize| row.get(i).cloned().unwrap_or_default();
    table.add_rows(rows.iter().map(|row| band.iter().map(|&i| cell(row, i)).collect::<Vec<_>>()));
    for ((column, &i), &width) in table.column_iter_mut().zip(band).zip(widths) {
        let alignment = if i < left { CellAlignment::Left } else { CellAlignment::Right };
        column.set_cell_alignment(alignment);
        let width = u16::try_from(width + PADDING).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    table.trim_fmt() + "\n"
}

/// Text broken between words at the width of the terminal; lines after the first begin
/// with as many spaces as `indent`.
pub fn wrapped(text: &str, indent: usize) -> String {
    broken(text, indent, width())
}

fn broken(text: &str, indent: usize, width: usize) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for (i, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 && at + 1 + length > width && at > indent {
            result.push('\n');
            result.push_str(&" ".repeat(indent));
            at = indent;
        } else if i > 0 {
            result.push(' ');
            at += 1;
        }
        result.push_str(word);
        at += length;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::{broken, fitted};

    fn rows(count: usize, columns: usize) -> Vec<Vec<String>> {
        let cell = |i: usize, j: usize| {
            if j == 0 { "a name of words".to_owned() } else { format!("-{i}.{j:05}e-300") }
        };
        (0..count).map(|i| (0..columns).map(|j| cell(i, j)).collect()).collect()
    }

    #[test]
    fn every_word_stands_whole_in_every_width() {
        let header: Vec<String> = (0..14).map(|j| format!("column number {j}")).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let rows = rows(3, 14);
        for width in 60..=200 {
            let text = fitted(&header, &rows, 1, 1, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            for cell in rows.iter().flat_map(|row| &row[1..]) {
                assert_eq!(words.iter().filter(|word| *word == cell).count(), 1, "{cell} at {width}");
            }
        }
    }

    #[test]
    fn what_has_room_is_one_line_a_row() {
        let text = fitted(&["name", "x"], &rows(2, 2), 1, 1, 60);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.lines().nth(2).unwrap().starts_with(" a name of words"), "{text}");
    }

    #[test]
    fn columns_below_repeat_what_a_row_is() {
        let text =
            fitted(&["s", "a", "x", "y"], &[["1", "2", "30", "40"].map(str::to_owned).to_vec()], 0, 2, 11);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[2], ["1", "2", "30"]);
        assert_eq!(*lines.last().unwrap(), ["1", "2", "40"]);
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(broken("- one two three", 2, 10), "- one two\n  three");
        assert_eq!(broken("- incomprehensibilities", 2, 10), "- incomprehensibilities");
    }
}
