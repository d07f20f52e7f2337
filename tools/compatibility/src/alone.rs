//! What is wrong with a schema by itself, or not as it should be.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::changes::other_units;
use crate::draft::{Draft, Grade};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::{Field, Plain, Schema, Shape, Type, last_part};

/// Defaults that are not of a union's first branch. Some implementations take them, and others refuse
/// the whole schema.
pub(crate) fn defaults(schema: &Schema) -> Vec<Draft> {
    let mut found = Vec::new();
    schema.each_field(&mut |path, field| {
        let Some(default) = &field.default else { return };
        let Shape::Union(branches) = &schema.definition(&field.of).shape else { return };
        let Some(first) = branches.first() else { return };
        if fits(schema, default, first) {
            return;
        }
        let what = format!("the default {default} is no {}", schema.describe(first));
        let mut draft = Draft::new(Rule::R09, Grade::Broken, path, &field.at, what).because(
            "Avro takes a default of the first branch only; some implementations refuse it",
        );
        if let Some(of) = branches.iter().find(|branch| fits(schema, default, branch)) {
            draft = draft.mend(format!("put {} first", schema.describe(of)));
        }
        found.push(draft);
    });
    found
}

fn fits(schema: &Schema, value: &Json, of: &Type) -> bool {
    match &schema.definition(of).shape {
        Shape::Plain(Plain::Null) => value.is_null(),
        Shape::Plain(Plain::Boolean) => value.is_boolean(),
        Shape::Plain(Plain::Int | Plain::Long) => value.is_i64(),
        Shape::Plain(Plain::Float | Plain::Double) => value.is_number(),
        Shape::Plain(Plain::Bytes | Plain::String) | Shape::Fixed(_) => value.is_string(),
        Shape::Enum { symbols, .. } => {
            value.as_str().is_some_and(|symbol| symbols.iter().any(|it| it == symbol))
        }
        Shape::Array(_) => value.is_array(),
        Shape::Map(_) | Shape::Record(_) => value.is_object(),
        Shape::Union(branches) => branches.first().is_some_and(|first| fits(schema, value, first)),
        Shape::Named(_) => false,
    }
}

/// Enums, each where it is first.
pub(crate) fn enums(schema: &Schema) -> Vec<Draft> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut visit = |path: &Path, field: &Field| {
        for of in leaves(&field.of) {
            if let Shape::Named(name) = &of.shape
                && matches!(schema.definition(of).shape, Shape::Enum { .. })
                && seen.insert(name.clone())
            {
                let what = format!("enum {}", last_part(name));
                let draft = Draft::new(Rule::R12, Grade::Note, path, &field.at, what);
                found.push(draft.because(
                    "no symbol can be added later: every reader would have to know it before",
                ));
            }
        }
    };
    schema.each_field(&mut visit);
    found
}

/// The types that a field is of, without those within records.
fn leaves(of: &Type) -> Vec<&Type> {
    match &of.shape {
        Shape::Array(of) | Shape::Map(of) => leaves(of),
        Shape::Union(branches) => branches.iter().flat_map(|it| leaves(it)).collect(),
        _ => vec![of],
    }
}

/// Fields without docs.
pub(crate) fn docs(schema: &Schema) -> Vec<Draft> {
    let mut found = Vec::new();
    schema.each_field(&mut |path, field| {
        if field.doc.trim().is_empty() {
            let draft =
                Draft::new(Rule::R37, Grade::Note, path, &field.at, "it has no doc".to_owned());
            found.push(draft.because("who reads it has to guess what it means, and in which unit"));
        }
    });
    found
}

/// What a reader schema says that the services do not do.
pub(crate) fn reliance(reader: &Schema) -> Vec<Draft> {
    let mut found = Vec::new();
    let mut push = |path: &Path, at: &str, what: String| {
        let draft = Draft::new(Rule::R23, Grade::Risky, path, at, what);
        found.push(draft.because("the services decode by the writer's names and symbols alone"));
    };
    reader.each_field(&mut |path, field| {
        if !field.aliases.is_empty() {
            push(path, &field.at, format!("it has the alias {}", field.aliases.join(", ")));
        }
        for of in leaves(&field.of) {
            if let Shape::Enum { default: Some(default), .. } = &reader.definition(of).shape {
                push(path, &field.at, format!("its enum has the default {default}"));
            }
        }
    });
    found
}

/// Words of names that hold personal data as a rule, and parts of docs.
const PERSONAL: [&str; 19] = [
    "address",
    "birth",
    "birthday",
    "customer_name",
    "email",
    "family_name",
    "first_name",
    "full_name",
    "iban",
    "ip_address",
    "last_name",
    "mobile",
    "passport",
    "phone",
    "postal_code",
    "recipient",
    "street",
    "surname",
    "telephone",
];
const PERSONAL_DOCS: [&str; 6] =
    ["date of birth", "e-mail address", "full name", "personal data", "phone number", "street"];

/// Why a field is likely to hold personal data.
pub(crate) fn suggests_personal(field: &Field) -> Option<String> {
    let name = format!("_{}_", field.name.to_lowercase());
    let by_name = PERSONAL.iter().find(|word| name.contains(&format!("_{word}_")));
    let doc = field.doc.to_lowercase();
    let by_doc = PERSONAL_DOCS.iter().find(|words| doc.contains(**words));
    by_name
        .map(|word| format!("its name says {word}"))
        .or_else(|| by_doc.map(|words| format!("its doc says {words}")))
}

/// The paths of a schema that hold personal data: those that say so, and what is within them.
pub(crate) fn personal_paths(schema: &Schema) -> Vec<Path> {
    let mut found: Vec<Path> = Vec::new();
    schema.each_field(&mut |path, field| {
        if field.is_personal {
            found.push(path.clone());
        }
    });
    found
}

/// Named types of two events that have one name and not the same fields, or not the same units.
pub(crate) fn unlike(one: &Schema, other: &Schema) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for named in one.all_named() {
        let Some(twin) = other.all_named().find(|it| it.name == named.name) else { continue };
        if one.signature(&named.of) != other.signature(&twin.of) {
            found.push((named.name.clone(), "has other fields".to_owned()));
            continue;
        }
        for field in one.fields(&named.of) {
            let of_twin = other.fields(&twin.of).iter().find(|it| it.name == field.name);
            if let Some((was, is)) = of_twin.and_then(|it| other_units(&field.doc, &it.doc)) {
                found
                    .push((named.name.clone(), format!("{} is in {was}, and in {is}", field.name)));
            }
        }
    }
    found
}
