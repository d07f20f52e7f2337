//! The corpus, and variations of it: each time the same ones.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use contracts::Encoder;
use declarations::Schemas;
use farandole_fuzz::TARGETS;
use fastrand::Rng;
use testkit::schemas::sample_of;

/// Variations of what is in a target's corpus.
const VARIATIONS: usize = 20_000;
/// The most changes of one variation.
const CHANGES_MAX: usize = 6;
/// Bytes at which things change: signs, ends, brackets, quotes.
const TELLING: [u8; 12] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, b'{', b'[', b'"', b'\\', b'-'];

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// What the fleet itself says, for a beginning: a sample of every event by its newest schema, and all
/// schemas.
fn samples(name: &str) -> Vec<Vec<u8>> {
    let schemas = Schemas::embedded();
    let all = schemas.by_event().flatten();
    match name {
        "payloads" => all
            .enumerate()
            .filter_map(|(at, it)| {
                let sample = sample_of(&it.service, &it.event_type);
                let payload = Encoder::new(1, &it.text).unwrap().encode(&sample).ok()?;
                Some([vec![u8::try_from(at).unwrap()], payload].concat())
            })
            .collect(),
        "schemas" => all.map(|it| it.text.clone().into_bytes()).collect(),
        _ => Vec::new(),
    }
}

fn vary(random: &mut Rng, all: &[Vec<u8>]) -> Vec<u8> {
    let mut data = random.choice(all).unwrap().clone();
    for _ in 0..random.usize(1..=CHANGES_MAX) {
        let at = random.usize(0..=data.len());
        let end = (at + random.usize(1..16)).min(data.len());
        match random.u8(0..7) {
            0 if at < data.len() => data[at] ^= 1 << random.u8(0..8),
            1 if at < data.len() => data[at] = *random.choice(&TELLING).unwrap(),
            2 => data.insert(at, random.u8(..)),
            3 => drop(data.drain(at..end)),
            4 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            5 => data.truncate(at),
            _ => {
                let other = random.choice(all).unwrap();
                let from = random.usize(0..=other.len());
                data.splice(at.., other[from..].iter().copied());
            }
        }
    }
    data
}

#[test]
fn nothing_that_is_made_up_brings_anything_down() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "corpus/{name} has something to begin with");
        for (path, data) in &corpus {
            println!("{}", path.display());
            target(data);
        }
        let mut all: Vec<Vec<u8>> = corpus.into_iter().map(|(_, data)| data).collect();
        all.extend(samples(name));
        for data in &all {
            target(data);
        }
        let mut random = Rng::with_seed(7);
        for _ in 0..VARIATIONS {
            let data = vary(&mut random, &all);
            let text = String::from_utf8_lossy(&data);
            let taken = std::panic::catch_unwind(|| target(&data));
            assert!(taken.is_ok(), "{name}: {data:?} ({text})");
        }
    }
}
