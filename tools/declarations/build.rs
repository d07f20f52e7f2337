//! Embeds `services/*/declaration.json`, so that tools know the fleet that they were built with, in
//! the order in which a saga meets the services; and `schemas/`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::Value;

#[path = "src/rank.rs"]
mod rank;

use rank::{Participant, Step, in_order};

fn main() -> io::Result<()> {
    // Asked when this runs: the target directory, and this program in it, may be another tree's.
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../services").canonicalize()?;
    // Written when there is a new service. The services' folders are not watched: their code changes
    // often, and what is embedded does not.
    println!("cargo:rerun-if-changed={}", root.join("../Cargo.lock").display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&root)? {
        let file = entry?.path().join("declaration.json");
        println!("cargo:rerun-if-changed={}", file.display());
        if file.exists() {
            files.push(file);
        }
    }
    files.sort();
    let (mut participants, mut complete) = (Vec::new(), Vec::new());
    for file in files {
        let text = fs::read_to_string(&file)?;
        let declared: Value = serde_json::from_str(&text)
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        // That of a service that is just being made has no statuses before `make render`.
        if declared["statuses"].as_array().is_some_and(|statuses| !statuses.is_empty()) {
            participants.push(participant(&declared));
            complete.push(file);
        }
    }
    let files = complete;
    let mut code = format!("const EMBEDDED: [&str; {}] = [\n", files.len());
    let order = in_order(&participants);
    for at in &order {
        writeln!(code, "    include_str!(r\"{}\"),", files[*at].display())
            .map_err(io::Error::other)?;
    }
    let doc = "/// The services of the fleet that this was built with, in the order in which a saga \
               meets them.";
    writeln!(code, "];\n\n{doc}\npub const SERVICES: [&str; {}] = [", files.len())
        .map_err(io::Error::other)?;
    for at in &order {
        writeln!(code, "    \"{}\",", participants[*at].name).map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("embedded.rs"), code)?;
    schemas()
}

fn schemas() -> io::Result<()> {
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

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

fn participant(declared: &Value) -> Participant {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    Participant {
        name: text(&declared["service"]),
        emits: list(&declared["emits"]).iter().map(|it| text(&it["event"])).collect(),
        undoing: list(&declared["compensates"]).iter().map(|it| text(&it["event"])).collect(),
        consumes: list(&declared["consumes"])
            .iter()
            .map(|it| Step {
                event: text(&it["event"]),
                leads_to: list(&it["leads_to"]).iter().map(text).collect(),
            })
            .collect(),
    }
}

fn variable(name: &str) -> io::Result<OsString> {
    env::var_os(name).ok_or_else(|| io::Error::other(format!("cargo sets {name}")))
}
