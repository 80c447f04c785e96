//! Columns as Go's `tabwriter` lays them out for docker: cells end with a tab, a column is as wide as its widest
//! cell and three spaces, but has a least width; the last cell of a line is not padded.

/// The least width of a column in docker's lists.
pub const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Lays `lines` out, their cells parted by tabs; a column is at least `min_width` wide.
pub fn layout(lines: &[String], min_width: usize) -> String {
    let rows: Vec<Vec<&str>> = lines
        .iter()
        .map(|line| line.split('\t').collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // A column is bounded by the lines that have no cell there: each block has its own width.
    let mut widths: Vec<Vec<usize>> = rows.iter().map(|row| vec![0; row.len()]).collect();
    for column in 0..columns.saturating_sub(1) {
        let mut begin = 0;
        while begin < rows.len() {
            let has_cell = |row: &Vec<&str>| row.len() > column + 1;
            if !has_cell(&rows[begin]) {
                begin += 1;
                continue;
            }
            let end = (begin..rows.len())
                .find(|at| !has_cell(&rows[*at]))
                .unwrap_or(rows.len());
            let widest = rows[begin..end]
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0);
            let width = if widest == 0 {
                min_width
            } else {
                (widest + PADDING).max(min_width)
            };
            for row in &mut widths[begin..end] {
                row[column] = width;
            }
            begin = end;
        }
    }
    let mut out = String::new();
    for (row, widths) in rows.iter().zip(&widths) {
        for (cell, width) in row.iter().zip(widths) {
            out.push_str(cell);
            let length = cell.chars().count();
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(length)));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_three_apart_and_ten_wide_at_least() {
        let lines = ["A\tLONG HEADER\tLAST", "x\ty\tz", "é\tw\t"].map(str::to_owned);
        insta::assert_snapshot!(layout(&lines, MIN_WIDTH).replace(' ', "."), @r"
        A.........LONG.HEADER...LAST
        x.........y.............z
        é.........w.............
        ");
    }
}
