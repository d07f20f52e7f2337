//! Regions of files that are rendered: what is between two lines that say so.

use std::path::Path;
use std::{fs, io};

use declarations::{Fleet, fleet};

use crate::regions::REGIONS;

/// What is in the line before a region, followed by the region's name. The region is indented as that
/// line is.
const BEGIN: &str = "rendered by make render: ";
/// What is in the line after a region.
const END: &str = "end of what is rendered";

/// A part of a file that follows from what the services declare.
pub(crate) struct Region {
    /// The file, from the root of the tree.
    pub(crate) file: &'static str,
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// Its lines, without indentation.
    pub(crate) render: fn(&Fleet) -> String,
}

/// Why a region cannot be rendered, or is not what it is to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// A file cannot be read or written; in another directory there are other files.
    #[error("{file}: {error}; is this the root of the tree?")]
    File { file: String, error: io::Error },
    /// The lines around the region are not both there.
    #[error("{file} has no lines `{BEGIN}{name}` and, below it, `{END}`")]
    NoRegion { file: &'static str, name: &'static str },
    /// It is not what follows from the declarations.
    #[error(
        "{file}, `{name}`, is not what the services declare: line {line} is {is:?} and is to be \
         {to_be:?}: run make render, and commit what it changes"
    )]
    Differs { file: &'static str, name: &'static str, line: usize, is: String, to_be: String },
    /// A document is not what follows from the declarations, the schemas and the examples.
    #[error(
        "{file} is not what the services declare: run make docs, and commit what it changes.\n\
         line {line} is    {is}\n{margin}is to be {to_be}",
        margin = " ".repeat(line.to_string().len() + 6)
    )]
    Document { file: String, line: usize, is: String, to_be: String },
    /// Two services listen on one port.
    #[error(
        "the port {port} is {one}'s, and {other} wants it, too: give {other} another, `const PORT` in \
         services/{other}/src/lib.rs, and run make render"
    )]
    Port { port: u16, one: String, other: String },
    /// A document of what is there no more.
    #[error("{0} is not rendered any more: run make docs, and commit what it changes")]
    Left(String),
    /// The examples of events are none.
    #[error(transparent)]
    Examples(#[from] catalogue::InvalidExamples),
}

impl Region {
    fn read(&self, root: &Path) -> Result<String, Wrong> {
        let file = self.file;
        fs::read_to_string(root.join(file))
            .map_err(|error| Wrong::File { file: file.to_owned(), error })
    }

    /// The file with this region as it is to be.
    fn apply(&self, text: &str, fleet: &Fleet) -> Result<String, Wrong> {
        let missing = || Wrong::NoRegion { file: self.file, name: self.name };
        let lines: Vec<&str> = text.lines().collect();
        // Comments may end in the same line: `<!-- rendered by make render: services -->`.
        let begins = |line: &&str| {
            let (_, name) = line.split_once(BEGIN).unwrap_or_default();
            name.split(' ').next() == Some(self.name)
        };
        let begin = lines.iter().position(begins).ok_or_else(missing)?;
        let length = lines[begin + 1..].iter().position(|line| line.contains(END));
        let end = begin + 1 + length.ok_or_else(missing)?;
        let indent = &lines[begin][..lines[begin].len() - lines[begin].trim_start().len()];
        let rendered = (self.render)(fleet);
        let rendered = rendered.lines().map(|line| match line {
            "" => String::new(),
            line => format!("{indent}{line}"),
        });
        let around = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        let lines =
            around(&lines[..=begin]).into_iter().chain(rendered).chain(around(&lines[end..]));
        Ok(lines.map(|line| line + "\n").collect())
    }
}

/// Whether the services can run beside each other.
fn fits(fleet: &Fleet) -> Result<(), Wrong> {
    let Some((port, one, other)) = fleet.port_twice() else { return Ok(()) };
    Err(Wrong::Port { port, one: one.to_owned(), other: other.to_owned() })
}

/// Writes all regions of the tree at `root`.
pub(crate) fn write(root: &Path) -> Result<(), Wrong> {
    fits(fleet())?;
    for region in &REGIONS {
        let (file, text) = (region.file, region.read(root)?);
        let rendered = region.apply(&text, fleet())?;
        if rendered != text {
            fs::write(root.join(file), rendered)
                .map_err(|error| Wrong::File { file: file.to_owned(), error })?;
        }
    }
    Ok(())
}

/// Finds the first line in the regions of the tree at `root` that is not what it is to be.
pub(crate) fn check(root: &Path) -> Result<(), Wrong> {
    fits(fleet())?;
    for region in &REGIONS {
        let text = region.read(root)?;
        let rendered = region.apply(&text, fleet())?;
        if rendered == text {
            continue;
        }
        // The line after the region is the same in both, so there is one that differs.
        let same = text.lines().zip(rendered.lines()).take_while(|(is, to_be)| is == to_be).count();
        let line = |text: &str| text.lines().nth(same).unwrap_or_default().to_owned();
        let Region { file, name, .. } = *region;
        let (is, to_be) = (line(&text), line(&rendered));
        return Err(Wrong::Differs { file, name, line: same + 1, is, to_be });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: Region =
        Region { file: "FILE", name: "names", render: |_| "order\n\npayment\n".to_owned() };

    fn applied(text: &str) -> Result<String, Wrong> {
        REGION.apply(text, fleet())
    }

    #[test]
    fn a_region_is_replaced_and_indented_as_its_first_line_is() {
        let around = |region: &str| {
            format!(
                "a\n  <!-- rendered by make render: names -->\n{region}  <!-- end of what is rendered -->\nb\n"
            )
        };
        let rendered = around("  order\n\n  payment\n");
        assert_eq!(applied(&around("")).unwrap(), rendered);
        assert_eq!(applied(&around("x\ny\nz\nzz\n")).unwrap(), rendered);
        assert_eq!(applied(&rendered).unwrap(), rendered);
    }

    #[test]
    fn a_file_without_the_region_is_refused() {
        for text in [
            "",
            "# rendered by make render: names\n",
            "# rendered by make render: namesakes\n# end of what is rendered\n",
        ] {
            assert!(matches!(applied(text), Err(Wrong::NoRegion { .. })), "{text}");
        }
    }
}
