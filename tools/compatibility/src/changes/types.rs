//! Types that are not what they were.

use super::Comparison;
use crate::draft::{Draft, Grade, json_at};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::{Plain, Shape, Type, last_part};

impl<'a> Comparison<'a> {
    /// Compares two types. Those of a union's branches were found by their names.
    pub(super) fn types(&mut self, old: &'a Type, new: &'a Type, path: &Path, in_union: bool) {
        if let (Shape::Named(one), Shape::Named(other)) = (&old.shape, &new.shape) {
            if self.within.contains(&(one, other)) {
                return;
            }
            self.within.push((one, other));
            if !in_union {
                self.names(one, other, path, new);
            }
            self.definitions(old, new, path);
            self.within.pop();
            return;
        }
        self.definitions(old, new, path);
    }

    fn definitions(&mut self, old: &'a Type, new: &'a Type, path: &Path) {
        let (was, is) = (self.old.schema.definition(old), self.new.schema.definition(new));
        match (&was.shape, &is.shape) {
            (Shape::Union(_), _) | (_, Shape::Union(_)) => self.unions(old, new, path),
            (Shape::Array(old), Shape::Array(new)) => self.types(old, new, &path.item(), false),
            (Shape::Map(old), Shape::Map(new)) => self.types(old, new, &path.entry(), false),
            (Shape::Record(old), Shape::Record(new)) => self.fields(old, new, path, &is.at),
            (Shape::Enum { symbols: old, .. }, Shape::Enum { symbols: new, .. }) => {
                self.symbols((old, was), (new, is), path);
            }
            (Shape::Fixed(one), Shape::Fixed(other)) if one != other => {
                let what = format!("fixed of {one} bytes is now of {other}");
                let draft = Draft::new(Rule::R17, Grade::Broken, path, &is.at, what);
                self.found.push(draft.because("neither can read what the other wrote"));
            }
            (Shape::Fixed(_), Shape::Fixed(_)) => self.logical(was, is, path),
            (Shape::Plain(one), Shape::Plain(other)) if one == other => {
                self.logical(was, is, path);
            }
            _ => self.another_type(old, new, path),
        }
    }

    fn another_type(&mut self, old: &Type, new: &Type, path: &Path) {
        let (was, is) = (self.old.schema.describe(old), self.new.schema.describe(new));
        let why = match promotion(self, old, new) {
            Some((from, to)) if from == to => {
                "Avro lets each be read as the other, and not all bytes are a text".to_owned()
            }
            Some((from, to)) => format!(
                "{from} is readable as {to} and not the other way round: who reads {from} cannot read \
                 what is written as {to}"
            ),
            None => "neither can be read as the other".to_owned(),
        };
        // The registry lets bytes and texts stand for each other.
        let both_ways = matches!(promotion(self, old, new), Some((from, to)) if from == to);
        let grade = if both_ways { Grade::IfRead } else { Grade::Broken };
        let draft = Draft::new(Rule::R05, grade, path, &new.at, format!("{was} is now {is}"));
        let draft = draft.because(why);
        self.found.push(match json_at(self.old.text, &old.at) {
            Some(paste) => draft.paste(format!("\"type\": {paste}")),
            None => draft,
        });
    }

    /// The same bytes that mean something else.
    fn logical(&mut self, old: &Type, new: &Type, path: &Path) {
        let (was, is) = (&old.logical, &new.logical);
        if was == is {
            return;
        }
        let what =
            format!("{} is now {}", self.old.schema.describe(old), self.new.schema.describe(new));
        let both_decimal = name(old) == "decimal" && name(new) == "decimal";
        let draft = if both_decimal {
            Draft::new(Rule::R17, Grade::Broken, path, &new.at, what)
                .because("the same digits with the point elsewhere are another amount")
        } else {
            Draft::new(Rule::R18, Grade::IfRead, path, &new.at, what).because(format!(
                "the bytes stay the same, so nothing fails and no registry says anything: what was \
                 written as {} is read as {}",
                name(old),
                name(new)
            ))
        };
        self.found.push(match json_at(self.old.text, &old.at) {
            Some(paste) => draft.paste(format!("\"type\": {paste}")),
            None => draft,
        });
    }

    /// Names of types that stand in the same place.
    fn names(&mut self, old: &str, new: &str, path: &Path, of: &Type) {
        if old == new {
            return;
        }
        let aliases = self.new.schema.named(of).map(|named| named.aliases.as_slice());
        let has_alias = aliases.unwrap_or_default().iter().any(|alias| alias == old);
        let (grade, why) = if last_part(old) == last_part(new) {
            let why = "older implementations compare full names and newer ones the last part only, so \
                       they disagree about it";
            (Grade::Risky, why)
        } else if has_alias {
            let why = "an alias helps those who read with the new schema, and nobody who reads with \
                       the old one";
            (Grade::Broken, why)
        } else {
            (Grade::Broken, "types are found by their names: neither can be read as the other")
        };
        let what = format!("{old} is now called {new}");
        let draft = Draft::new(Rule::R15, grade, path, &of.at, what).because(why);
        self.found.push(draft.paste(format!("\"name\": \"{}\"", last_part(old))));
    }

    fn symbols(
        &mut self,
        (old, was): (&[String], &Type),
        (new, is): (&[String], &Type),
        path: &Path,
    ) {
        let missing = |of: &[String], from: &[String]| -> Vec<String> {
            of.iter().filter(|symbol| !from.contains(symbol)).cloned().collect()
        };
        let (removed, added) = (missing(old, new), missing(new, old));
        let has_default = |of: &Type| matches!(&of.shape, Shape::Enum { default: Some(default), .. } if !default.is_empty());
        if !added.is_empty() {
            let grade = if has_default(was) { Grade::IfRead } else { Grade::Broken };
            let what = format!("symbol {} is added", added.join(", "));
            let draft = Draft::new(Rule::R11, grade, path, &is.at, what);
            self.found.push(draft.because(
                "who reads with the old symbols cannot read the new one; the services do not take an \
                 enum's default either, and some registries let it pass",
            ));
        }
        if !removed.is_empty() {
            let grade = if has_default(is) { Grade::IfRead } else { Grade::Broken };
            let what = format!("symbol {} is removed", removed.join(", "));
            let draft = Draft::new(Rule::R11, grade, path, &is.at, what);
            self.found.push(
                draft.because(
                    "events with it are in the topics, and the new schema cannot read them",
                ),
            );
        }
        let kept: Vec<&String> = old.iter().filter(|symbol| new.contains(symbol)).collect();
        let now: Vec<&String> = new.iter().filter(|symbol| old.contains(symbol)).collect();
        let moved = old.iter().zip(new).any(|(one, other)| one != other);
        if kept != now || (moved && removed.is_empty() && !added.is_empty()) {
            let what = format!("the order was {}, and is {}", old.join(", "), new.join(", "));
            let draft = Draft::new(Rule::R14, Grade::Risky, path, &is.at, what);
            self.found.push(draft.because(
                "the services read symbols by the writer's names; who reads the numbers alone reads \
                 another symbol",
            ));
        }
    }
}

/// What a type stands for beside its bytes.
fn name(of: &Type) -> &str {
    of.logical.as_ref().map_or("nothing more", |logical| logical.name.as_str())
}

/// From what to what a plain type may be promoted, if one of the two may be read as the other; the same
/// twice, if each may be.
fn promotion(of: &Comparison<'_>, old: &Type, new: &Type) -> Option<(&'static str, &'static str)> {
    let plain = |of: &Type| match of.shape {
        Shape::Plain(plain) => Some(plain),
        _ => None,
    };
    let old = plain(of.old.schema.definition(old))?;
    let new = plain(of.new.schema.definition(new))?;
    if is_promoted(old, new) && is_promoted(new, old) {
        Some((old.name(), old.name()))
    } else if is_promoted(old, new) {
        Some((old.name(), new.name()))
    } else {
        is_promoted(new, old).then(|| (new.name(), old.name()))
    }
}

/// Whether Avro reads one as the other.
pub(crate) fn is_promoted(written: Plain, read: Plain) -> bool {
    use Plain::{Bytes, Double, Float, Int, Long, String};
    matches!(
        (written, read),
        (Int, Long | Float | Double)
            | (Long, Float | Double)
            | (Float, Double)
            | (Bytes, String)
            | (String, Bytes)
    )
}
