//! Unions, of which a type that is none is taken for one of a single branch.

use super::Comparison;
use crate::draft::{Draft, Grade, json_at};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::{Plain, Schema, Shape, Type, last_part};

impl<'a> Comparison<'a> {
    pub(super) fn unions(&mut self, old: &'a Type, new: &'a Type, path: &Path) {
        let was = self.old.schema.branches(old);
        let is = self.new.schema.branches(new);
        let mut removed = Vec::new();
        let mut kept = Vec::new();
        for branch in &was {
            let key = key(self.old.schema, branch);
            match is.iter().position(|it| self::key(self.new.schema, it) == key) {
                Some(at) => kept.push((*branch, at)),
                None => removed.push(*branch),
            }
        }
        let is_kept = |at: usize| kept.iter().any(|(_, kept)| *kept == at);
        let mut added: Vec<&Type> =
            is.iter().enumerate().filter(|(at, _)| !is_kept(*at)).map(|(_, it)| *it).collect();
        // A type that was alone and changed is a change of the type, not of branches.
        if let ([one], [other], true) = (&removed[..], &added[..], kept.is_empty())
            && was.len() == 1
            && is.len() == 1
        {
            self.types(one, other, path, false);
            return;
        }
        self.renamed(&mut removed, &mut added, path);
        for branch in added {
            self.branch(branch, new, path, true);
        }
        for branch in removed {
            self.branch(branch, new, path, false);
        }
        if kept.windows(2).any(|pair| pair[0].1 > pair[1].1) {
            let what = format!(
                "{} is now {}",
                self.old.schema.describe(old),
                self.new.schema.describe(new)
            );
            let draft = Draft::new(Rule::R08, Grade::Risky, path, &new.at, what);
            self.found.push(draft.because(
                "a default is of the first branch, and a value that fits several is read as the first \
                 of them",
            ));
        }
        for (branch, at) in kept {
            self.types(branch, is[at], path, true);
        }
    }

    /// Takes out the branches that have the same fields under another name.
    fn renamed(&mut self, removed: &mut Vec<&'a Type>, added: &mut Vec<&'a Type>, path: &Path) {
        removed.retain(|old| {
            let Shape::Named(name) = &old.shape else { return true };
            let signature = self.old.schema.signature(old);
            let same = |new: &&Type| {
                matches!(new.shape, Shape::Named(_)) && self.new.schema.signature(new) == signature
            };
            let Some(at) = added.iter().position(same) else { return true };
            let new = added.remove(at);
            let what =
                format!("branch {} is now {}", last_part(name), self.new.schema.describe(new));
            let draft = Draft::new(Rule::R16, Grade::Broken, path, &new.at, what).because(
                "branches are found by their names: who reads with the other schema finds none",
            );
            self.found.push(draft.paste(format!("\"name\": \"{}\"", last_part(name))));
            false
        });
    }

    fn branch(&mut self, branch: &Type, new: &Type, path: &Path, is_added: bool) {
        let is_null = matches!(branch.shape, Shape::Plain(Plain::Null));
        let schema = if is_added { self.new.schema } else { self.old.schema };
        let name = schema.describe(branch);
        let (rule, what, why) = match (is_null, is_added) {
            (true, true) => (
                Rule::R06,
                "may be null now".to_owned(),
                "who reads with an old schema cannot read null".to_owned(),
            ),
            (true, false) => (
                Rule::R06,
                "may not be null any more".to_owned(),
                "events with null are in the topics, and the new schema cannot read them"
                    .to_owned(),
            ),
            (false, true) => (
                Rule::R07,
                format!("branch {name} is added"),
                format!("who reads with an old schema cannot read {name}"),
            ),
            (false, false) => (
                Rule::R07,
                format!("branch {name} is removed"),
                format!(
                    "events with {name} are in the topics, and the new schema cannot read them"
                ),
            ),
        };
        let draft = Draft::new(rule, Grade::Broken, path, &new.at, what).because(why);
        let before = self.old.schema.find(path).and_then(|field| json_at(self.old.text, &field.at));
        self.found.push(match before {
            Some(paste) => draft.paste(paste),
            None => draft,
        });
    }
}

/// By what a branch is found: its kind, or its name.
pub(crate) fn key<'a>(schema: &'a Schema, of: &'a Type) -> (&'static str, &'a str) {
    match &of.shape {
        Shape::Named(name) => {
            let kind = match schema.definition(of).shape {
                Shape::Enum { .. } => "enum",
                Shape::Fixed(_) => "fixed",
                _ => "record",
            };
            (kind, last_part(name))
        }
        Shape::Plain(plain) => (plain.name(), ""),
        Shape::Array(_) => ("array", ""),
        Shape::Map(_) => ("map", ""),
        _ => ("", ""),
    }
}
