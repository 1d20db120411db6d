//! The course of a window as a small chart: what was left (or used) from its beginning to its
//! reset, and the line of an even pace.

use crate::model::pace::Sample;
use crate::model::show::Show;
use crate::model::time::Timestamp;

/// What is drawn, and with what.
pub struct Chart<'a> {
    /// Oldest first; what lies outside of the window is not drawn.
    pub samples: &'a [Sample],
    pub start: Timestamp,
    pub end: Timestamp,
    /// Characters.
    pub columns: usize,
    pub rows: usize,
    /// Which share is drawn: what is left falls, what is used rises.
    pub show: Show,
    /// Braille, of eight dots a character; else letters.
    pub is_unicode: bool,
}

/// Every so many dots one of the line of an even use.
const DOTTED: usize = 5;
/// The first of the braille patterns (U+2800), and the bit of each dot by row and column.
const BRAILLE: u32 = 0x2800;
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Chart<'_> {
    /// The rows, from the top; blank where nothing is drawn. It begins with the first point, for
    /// nothing is known from before. `None` without two points in the window.
    pub fn draw(&self) -> Option<Vec<String>> {
        let (across, down) = if self.is_unicode { (2, 4) } else { (1, 1) };
        let (width, height) = (self.columns * across, self.rows * down);
        let length = self.end.seconds_since(self.start);
        let is_inside = |sample: &&Sample| {
            (0..=length).contains(&sample.at.seconds_since(self.start)) && length > 0
        };
        let inside: Vec<&Sample> = self.samples.iter().filter(is_inside).collect();
        if inside.len() < 2 || width < 2 || height < 2 {
            return None;
        }
        let x = |at: Timestamp| {
            at.seconds_since(self.start) as f64 / length as f64 * (width - 1) as f64
        };
        let y = |used: f64| {
            ((1.0 - self.show.share(used) / 100.0) * (height - 1) as f64).round() as usize
        };
        let mut grid = Grid { width, cells: vec![Dot::None; width * height] };
        for column in (0..width).step_by(DOTTED) {
            grid.mark(column, y(100.0 * column as f64 / (width - 1) as f64), Dot::Even);
        }
        let points: Vec<(f64, f64)> =
            inside.iter().map(|sample| (x(sample.at), sample.used)).collect();
        for pair in points.windows(2) {
            let [(from, low), (to, high)] = [pair[0], pair[1]];
            let mut above = y(low);
            for column in from.round() as usize..=to.round() as usize {
                let part = if to > from {
                    ((column as f64 - from) / (to - from)).clamp(0.0, 1.0)
                } else {
                    1.0
                };
                let row = y(low + (high - low) * part);
                for row in row.min(above)..=row.max(above) {
                    grid.mark(column, row, Dot::Used);
                }
                above = row;
            }
        }
        Some((0..self.rows).map(|row| self.row(&grid, row)).collect())
    }

    fn row(&self, grid: &Grid, row: usize) -> String {
        let letter = |column: usize| {
            if !self.is_unicode {
                return match grid.at(column, row) {
                    Dot::None => ' ',
                    Dot::Even => '.',
                    Dot::Used => '*',
                };
            }
            let mut bits = 0;
            for (down, dots) in DOTS.iter().enumerate() {
                for (across, bit) in dots.iter().enumerate() {
                    if grid.at(column * 2 + across, row * 4 + down) != Dot::None {
                        bits |= bit;
                    }
                }
            }
            // A blank is one in every font.
            if bits == 0 { ' ' } else { char::from_u32(BRAILLE + bits).unwrap_or(' ') }
        };
        (0..self.columns).map(letter).collect()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Dot {
    None,
    Even,
    Used,
}

struct Grid {
    width: usize,
    cells: Vec<Dot>,
}

impl Grid {
    fn mark(&mut self, column: usize, row: usize, mark: Dot) {
        if let Some(cell) = self.cells.get_mut(row * self.width + column)
            && column < self.width
        {
            *cell = mark;
        }
    }

    fn at(&self, column: usize, row: usize) -> Dot {
        self.cells.get(row * self.width + column).copied().unwrap_or(Dot::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    fn chart(
        of: &[(i64, f64)],
        show: Show,
        is_unicode: bool,
        columns: usize,
        rows: usize,
    ) -> Option<Vec<String>> {
        let samples: Vec<Sample> = of
            .iter()
            .map(|(percent, used)| Sample { at: START.plus(percent * 180), used: *used })
            .collect();
        Chart {
            samples: &samples,
            start: START,
            end: START.plus(18_000),
            columns,
            rows,
            show,
            is_unicode,
        }
        .draw()
    }

    #[test]
    fn letters() {
        let rows = chart(&[(25, 50.0), (50, 50.0)], Show::Used, false, 21, 5).unwrap();
        assert_eq!(
            rows,
            [
                "                    .",
                "               .     ",
                "     ******          ",
                "     .               ",
                ".                    "
            ]
        );
        let rows = chart(&[(0, 0.0), (50, 50.0)], Show::Left, false, 21, 5).unwrap();
        assert_eq!(rows[0], "****                 ");
        assert_eq!(rows[4], "                    .");
    }

    #[test]
    fn braille() {
        let rows = chart(&[(50, 100.0), (100, 100.0)], Show::Used, true, 8, 2).unwrap();
        assert_eq!(rows, ["    ⠉⠍⠉⠉", "⡀ ⠐     "]);
    }

    #[test]
    fn one_point_is_no_course() {
        assert_eq!(chart(&[(25, 50.0)], Show::Left, true, 20, 4), None);
        assert_eq!(chart(&[(-25, 50.0), (120, 10.0), (10, 3.0)], Show::Left, true, 20, 4), None);
        assert_eq!(chart(&[], Show::Left, false, 20, 4), None);
    }

    proptest! {
        #[test]
        fn it_is_as_large_as_it_is_said(
            samples in proptest::collection::vec((-10..110_i64, -10.0..110.0_f64), 0..30),
            columns in 0..90_usize, rows in 0..12_usize, is_unicode in any::<bool>(),
        ) {
            if let Some(drawn) = chart(&samples, Show::Left, is_unicode, columns, rows) {
                prop_assert_eq!(drawn.len(), rows);
                prop_assert!(drawn.iter().all(|row| row.chars().count() == columns));
            }
        }
    }
}
