//! Embeds `schemas/`, so that the program works alone.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Asked when this runs: the target directory, and this program in it, may be another tree's.
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../schemas").canonicalize()?;
    println!("cargo:rerun-if-changed={}", root.display());
    let mut code = String::from("&[");
    for path in entries(&root)?.iter().filter(|path| path.is_dir()) {
        for file in entries(path)? {
            let name = file.strip_prefix(&root).map_err(io::Error::other)?.display();
            writeln!(code, "(r\"{name}\", include_str!(r\"{}\")),", file.display())
                .map_err(io::Error::other)?;
        }
    }
    code.push(']');
    fs::write(Path::new(&variable("OUT_DIR")?).join("schemas.rs"), code)
}

fn variable(name: &str) -> io::Result<OsString> {
    env::var_os(name).ok_or_else(|| io::Error::other(format!("cargo sets {name}")))
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}
