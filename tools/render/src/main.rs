//! Writes what follows from the services' declarations into the files that hold it: `make render`, and the
//! catalogue of events: `make docs`.

mod documents;
mod regions;
mod render;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use crate::render::Wrong;

const HELP: &str = "\
Writes what follows from the services' declarations into the files of the tree in this directory that
hold it, between the lines `rendered by make render: NAME` and `end of what is rendered`; and as a whole
the catalogue of events, docs/catalogue and catalog-info.yaml, the rules of the objectives, and the
dashboards.

Usage: farandole-render [--check]

      --check  Write nothing, and exit with 1 if anything would be
      --help   Print this";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (done, root) = (|()| ExitCode::SUCCESS, Path::new("."));
    let write = || render::write(root).and_then(|()| documents::write(root));
    let check = || render::check(root).and_then(|()| documents::check(root));
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write().map(done),
        ["--check"] => check().map(done),
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|wrong: Wrong| {
        eprintln!("farandole-render: {wrong}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_what_the_services_declare() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        if let Err(wrong) = render::check(root) {
            panic!("{wrong}");
        }
    }

    #[test]
    fn the_documents_are_what_the_services_declare() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        if let Err(wrong) = documents::check(root) {
            panic!("{wrong}");
        }
    }
}
