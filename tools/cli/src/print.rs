//! The one way out. Everything that the program says goes through here, and nothing that comes from
//! outside (keys, headers, names, errors, reasons) can do more to a terminal than be read on it. What
//! has to stay on one line goes through [`one_line`] before.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use console::Style;
use serde::Serialize;

use crate::text;
pub(crate) use crate::text::one_line;

/// Writes to standard output. That whoever reads has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write(&text::lines(text))
}

/// Writes a value as JSON, on several lines.
pub(crate) fn print_json(value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    write(&text::json(&json))
}

/// Writes what is made of the program alone, with its tabs.
pub(crate) fn print_own(text: &str) -> io::Result<()> {
    write(text)
}

/// Writes JSON that is on one line.
pub(crate) fn print_json_line(json: &str) -> io::Result<()> {
    write(&text::json(json))
}

/// Whether nobody reads the standard output any more.
pub(crate) fn is_over() -> bool {
    OVER.load(Ordering::Relaxed)
}

/// Writes lines of which parts stand out on a terminal.
pub(crate) fn print_lines(lines: &[Line]) -> io::Result<()> {
    let painted: Vec<String> = lines.iter().map(Line::painted).collect();
    write(&painted.join("\n"))
}

/// Says something beside the result, on standard error. Nobody need hear it.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text::lines(text));
}

/// Asks something, on standard error.
pub(crate) fn prompt(text: &str) -> io::Result<()> {
    write!(io::stderr(), "{}", one_line(text))?;
    io::stderr().flush()
}

static OVER: AtomicBool = AtomicBool::new(false);

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            OVER.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("the output cannot be written: {error}")))
        }
        Ok(()) => Ok(()),
    }
}

/// A line of parts, each with its weight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Vec<(Weight, String)>);

/// How much a part of a line is to stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Plain,
    /// Only for who looks for it.
    Faint,
    Strong,
    /// It needs a person.
    Alarm,
}

impl Line {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::default().and(Weight::Plain, text)
    }

    pub(crate) fn and(mut self, weight: Weight, text: impl Into<String>) -> Self {
        self.0.push((weight, text.into()));
        self
    }

    fn painted(&self) -> String {
        let paint = |(weight, text): &(Weight, String)| {
            let style = match weight {
                Weight::Plain => Style::new(),
                Weight::Faint => Style::new().dim(),
                Weight::Strong => Style::new().bold(),
                Weight::Alarm => Style::new().red().bold(),
            };
            style.for_stdout().apply_to(one_line(text)).to_string()
        };
        self.0.iter().map(paint).collect::<String>().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line() {
        let line = Line::plain("a\nb").and(Weight::Alarm, "\u{1b}[0m");
        assert!(!line.painted().contains('\n'));
    }
}
