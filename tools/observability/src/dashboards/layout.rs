//! Where panels are on the page.

use super::panel::{Panel, Row};

/// The page's width, in Grafana's units.
pub const PAGE_WIDTH: u32 = 24;

/// Where something is on the page, and its size, in Grafana's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Its width.
    pub w: u32,
    /// Its height.
    pub h: u32,
}

/// What is on the page.
pub(super) enum Placed<'a> {
    /// A row's title.
    Title(&'a str),
    /// A panel.
    Panel(&'a Panel),
}

/// All that is on a page of these rows, from the top: each row's title, if it has one, and its panels from
/// the left, in as many lines as they need.
pub(super) fn places(rows: &[Row]) -> Vec<(Placed<'_>, Place)> {
    let (mut placed, mut y) = (Vec::new(), 0);
    for row in rows {
        if !row.title.is_empty() {
            placed.push((Placed::Title(row.title), Place { x: 0, y, w: PAGE_WIDTH, h: 1 }));
            y += 1;
        }
        let mut x = 0;
        for panel in &row.panels {
            if x + panel.width > PAGE_WIDTH {
                (x, y) = (0, y + row.height);
            }
            placed.push((Placed::Panel(panel), Place { x, y, w: panel.width, h: row.height }));
            x += panel.width;
        }
        y += row.height;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::super::panel::Panel;
    use super::*;

    #[test]
    fn what_does_not_fit_goes_into_the_next_line() {
        let panel = |width| Panel::lines("", "").width(width);
        let rows = [
            Row::new("", 4, vec![panel(16), panel(8), panel(12)]),
            Row::new("Below", 8, vec![panel(24)]),
        ];
        let places: Vec<Place> = places(&rows).into_iter().map(|(_, place)| place).collect();
        let place = |x, y, w, h| Place { x, y, w, h };
        assert_eq!(
            places,
            [
                place(0, 0, 16, 4),
                place(16, 0, 8, 4),
                place(0, 4, 12, 4),
                place(0, 8, 24, 1),
                place(0, 9, 24, 8),
            ]
        );
    }
}
