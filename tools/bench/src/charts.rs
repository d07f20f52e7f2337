//! The charts: SVG, readable on light and dark backgrounds.

use std::path::Path;

use anyhow::anyhow;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

/// Readable on white and on black.
const INK: RGBColor = RGBColor(128, 128, 128);
const PALETTE: [RGBColor; 9] = [
    RGBColor(0x2f, 0x8f, 0xd0),
    RGBColor(0xe0, 0x7b, 0x39),
    RGBColor(0x3d, 0xa3, 0x5d),
    RGBColor(0xc9, 0x4f, 0x6d),
    RGBColor(0x8d, 0x6f, 0xd1),
    RGBColor(0xb5, 0x9a, 0x2b),
    RGBColor(0x2a, 0xa5, 0xa0),
    RGBColor(0x9a, 0x76, 0x5a),
    RGBColor(0x8a, 0x8f, 0x98),
];
const SIZE: (u32, u32) = (860, 420);

/// A line of a chart: its name, and its points from left to right.
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// A bar: its name, and its parts from left to right, each with its name.
pub(crate) type Bar = (String, Vec<(String, f64)>);

/// What the axes say.
#[derive(Clone, Copy)]
pub(crate) struct Axes<'a> {
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Whether what is up counts in powers of ten.
    pub(crate) logarithmic: bool,
}

/// Draws lines with their points.
pub(crate) fn lines(file: &Path, axes: Axes<'_>, lines: &[Line]) -> anyhow::Result<()> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let right = points().map(|(x, _)| *x).fold(0.0, f64::max) * 1.03;
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let least = points().map(|(_, y)| *y).fold(top, f64::min);
    if right <= 0.0 || top <= 0.0 {
        return Ok(());
    }
    let drawn = if axes.logarithmic {
        // Between powers of ten, with room for the names.
        let bottom = 10_f64.powf(least.max(1e-3).log10().floor());
        let ceiling = 10_f64.powf((3.0 * top).log10().ceil());
        draw_lines(file, axes, lines, right, (bottom..ceiling).log_scale())
    } else {
        draw_lines(file, axes, lines, right, 0.0..top)
    };
    drawn.map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
}

fn draw_lines<Y: AsRangedCoord<Value = f64>>(
    file: &Path,
    axes: Axes<'_>,
    lines: &[Line],
    right: f64,
    y: Y,
) -> Result<(), Box<dyn std::error::Error>>
where
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right, y)?;
    let text = ("sans-serif", 15).into_font().color(&INK);
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_style(INK)
        .bold_line_style(INK.mix(0.3))
        .light_line_style(TRANSPARENT)
        .label_style(text.clone())
        .axis_desc_style(text.clone())
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    for ((name, points), color) in lines.iter().zip(PALETTE.into_iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 2), (x + 18, y + 2)], color.filled()));
        // Many points make a line of their own.
        if points.len() < 40 {
            let circles = points.iter().map(|point| Circle::new(*point, 3, color.filled()));
            chart.draw_series(circles)?;
        }
    }
    if lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font(text)
            .draw()?;
    }
    area.present()?;
    Ok(())
}

/// Draws bars that lie, made of parts; all bars have the same parts.
pub(crate) fn bars(file: &Path, axis: &str, bars: &[Bar]) -> anyhow::Result<()> {
    draw_bars(file, axis, bars).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
}

fn draw_bars(file: &Path, axis: &str, bars: &[Bar]) -> Result<(), Box<dyn std::error::Error>> {
    let sum = |(_, parts): &Bar| parts.iter().map(|(_, value)| value).sum::<f64>();
    let right = bars.iter().map(sum).fold(0.0, f64::max) * 1.12;
    let Some((_, first)) = bars.first().filter(|_| right > 0.0) else { return Ok(()) };
    let rows = u32::try_from(bars.len())?;
    // Rows count upwards, and the first bar is the uppermost. An axis needs two rows at least.
    let row_of = |at: usize| rows - 1 - u32::try_from(at).unwrap_or_default();
    let area = SVGBackend::new(file, (SIZE.0, 110 + 46 * rows)).into_drawing_area();
    let text = ("sans-serif", 15).into_font().color(&INK);
    let (legend, plot) = area.split_vertically(40);
    for ((at, (name, _)), color) in (0..).zip(first).zip(PALETTE.into_iter().cycle()) {
        let x = 14 + at * 104;
        legend.draw(&Rectangle::new([(x, 14), (x + 12, 26)], color.filled()))?;
        legend.draw(&Text::new(
            name.clone(),
            (x + 17, 14),
            ("sans-serif", 13).into_font().color(&INK),
        ))?;
    }
    let mut chart = ChartBuilder::on(&plot)
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(120)
        .build_cartesian_2d(0.0..right, (0..(rows - 1).max(1)).into_segmented())?;
    let name = |segment: &SegmentValue<u32>| match segment {
        SegmentValue::CenterOf(row) => {
            let bar = (0..bars.len()).find(|at| row_of(*at) == *row).map(|at| &bars[at]);
            bar.map(|(name, _)| name.clone()).unwrap_or_default()
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .x_desc(axis)
        .axis_style(INK)
        .disable_y_mesh()
        .bold_line_style(INK.mix(0.3))
        .light_line_style(TRANSPARENT)
        .label_style(text.clone())
        .axis_desc_style(text.clone())
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&name)
        .y_labels(bars.len() + 1)
        .draw()?;
    for (at, bar) in bars.iter().enumerate() {
        let row = row_of(at);
        let mut from = 0.0;
        for ((_, value), color) in bar.1.iter().zip(PALETTE.into_iter().cycle()) {
            let corners =
                [(from, SegmentValue::Exact(row)), (from + value, SegmentValue::Exact(row + 1))];
            let mut part = Rectangle::new(corners, color.filled());
            part.set_margin(7, 7, 0, 0);
            chart.draw_series([part])?;
            from += value;
        }
        let end = (from + right * 0.008, SegmentValue::CenterOf(row));
        let label = EmptyElement::at(end) + Text::new(number(sum(bar)), (0, -8), text.clone());
        chart.draw_series([label])?;
    }
    area.present()?;
    Ok(())
}

/// As people write it: with thousands apart, and decimals only below ten.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 10.0 && value.fract().abs() > 1e-9 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_people_write_them() {
        let written = [0.0, 0.25, 9.96, 10.4, 999.6, 1_234_567.0].map(number);
        assert_eq!(written, ["0", "0.2", "10.0", "10", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_single_bar_is_drawn_with_its_sum() {
        let file = std::env::temp_dir().join(format!("bar-{}.svg", std::process::id()));
        let parts = vec![("one".to_owned(), 1_000.0), ("two".to_owned(), 500.0)];
        bars(&file, "µs", &[("alone".to_owned(), parts)]).unwrap();
        let drawn = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(drawn.contains("alone") && drawn.contains("1,500"), "{drawn}");
    }
}
