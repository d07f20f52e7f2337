use std::io::{self, Write as _};

/// Writes to standard output. That whoever reads has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
