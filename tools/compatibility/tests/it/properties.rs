//! What the rules let pass, everybody reads, and reads alike.

use std::cell::Cell;

use compatibility::{Contracts, Fate, Tree, fate};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::kit::{TODAY, d, f, files, logical, thing, with};

/// Types with a default for each.
fn kinds() -> Vec<(String, Value)> {
    let plain = |kind: &str, default: Value| (kind.to_owned(), default);
    vec![
        plain("string", json!("EUR")),
        plain("int", json!(1)),
        plain("long", json!(2)),
        plain("double", json!(0.5)),
        plain("bytes", json!("")),
        plain("boolean", json!(true)),
        plain(r#"["null","string"]"#, json!(null)),
        plain(r#"["null","long","string"]"#, json!(null)),
        plain(r#"["double","long"]"#, json!(0.5)),
        plain(r#"{"type":"array","items":"int"}"#, json!([])),
        plain(r#"{"type":"map","values":"string"}"#, json!({})),
        plain(r#"{"type":"enum","name":"Size","symbols":["SMALL","LARGE"]}"#, json!("SMALL")),
        plain(
            r#"{"type":"enum","name":"Size","symbols":["SMALL"],"default":"SMALL"}"#,
            json!("SMALL"),
        ),
        plain(
            r#"{"type":"record","name":"Money","fields":[{"name":"amount","type":"long"}]}"#,
            json!({"amount": 0}),
        ),
        (logical("long", "timestamp-millis"), json!(0)),
        (logical("string", "uuid"), json!("00000000-0000-0000-0000-000000000000")),
    ]
}

/// A field by its number, its type's, and whether it has a default.
type Draw = (usize, usize, bool);

fn fields(draws: &[Draw]) -> Vec<Value> {
    let kinds = kinds();
    let mut fields: Vec<Value> = Vec::new();
    for (name, kind, has_default) in draws {
        let name = format!("f{name}");
        // A type of one name can be defined once.
        let defines = |of: &Value| of["type"].get("name").is_some();
        let (kind, default) = &kinds[kind % kinds.len()];
        let field = if *has_default { d(&name, kind, default.clone()) } else { f(&name, kind) };
        let is_there = fields.iter().any(|it| it["name"] == field["name"]);
        let is_defined = defines(&field) && fields.iter().any(defines);
        if !(is_there || is_defined) {
            fields.push(field);
        }
    }
    fields
}

/// The fields of a next version: some are left out, some are others, some are more.
fn next(before: &[Draw], changes: &[(usize, u8, usize)]) -> Vec<Draw> {
    let mut now = before.to_vec();
    for (at, what, kind) in changes {
        let at = at % now.len().max(1);
        match what % 8 {
            0 if at < now.len() => drop(now.remove(at)),
            1 if at < now.len() => now[at].1 = *kind,
            2 if at < now.len() => now[at].2 = !now[at].2,
            3 => now.push((kind + 10, *kind, false)),
            _ => now.push((kind + 10, *kind, true)),
        }
    }
    now
}

#[test]
fn what_is_not_broken_is_read_by_everybody_alike() {
    let draw = || (0..6_usize, 0..16_usize, any::<bool>());
    let change = || (0..6_usize, any::<u8>(), 0..16_usize);
    let strategy = (
        prop::collection::vec(draw(), 1..5),
        prop::collection::vec(prop::collection::vec(change(), 0..3), 0..3),
        prop::collection::vec((0..6_usize, any::<u8>(), any::<bool>()), 0..4),
    );
    let (passed, broken) = (Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: 800, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |(first, steps, reads)| {
        let mut versions = vec![first];
        for step in &steps {
            let last = versions.last().cloned().unwrap_or_default();
            versions.push(next(&last, step));
        }
        let newest = versions.last().cloned().unwrap_or_default();
        // What is read is mostly what is written, and now and then something else.
        let read: Vec<Draw> = reads
            .iter()
            .filter_map(|(at, other, default)| {
                let (name, kind, _) = *newest.get(at % newest.len().max(1))?;
                let kind = if other % 4 == 0 { usize::from(*other) } else { kind };
                Some((name, kind, *default))
            })
            .collect();
        let alias =
            |it: Value| if reads.len() == 3 { with(it, "aliases", json!(["f0"])) } else { it };
        let reader = thing(&fields(&read).into_iter().map(alias).collect::<Vec<_>>());
        let versions: Vec<String> = versions.iter().map(|it| thing(&fields(it))).collect();
        let tree = Tree::of_files(files(&versions, Some(&reader))).unwrap();
        if Contracts::of(tree, TODAY).check().is_broken() {
            broken.set(broken.get() + 1);
            return Ok(());
        }
        passed.set(passed.get() + 1);
        for version in &versions {
            prop_assert_eq!(fate(version, &reader), Ok(Fate::Read), "{} as {}", version, reader);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (passed, broken) = (passed.get(), broken.get());
    assert!(passed > 100 && broken > 100, "{passed} pass and {broken} do not: too few of one");
}
