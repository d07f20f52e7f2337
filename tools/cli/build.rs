//! Embeds `schemas/`, so that the program works alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas").canonicalize()?;
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
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(PathBuf::from(out).join("schemas.rs"), code)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}
