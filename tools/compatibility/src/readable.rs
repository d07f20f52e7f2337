//! Whether the services read a version with a reader schema: as their types do, by the writer's names,
//! without aliases and without defaults of enums.

use crate::changes::{is_promoted, key};
use crate::draft::{Draft, Grade};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::{Field, Plain, Schema, Shape, Type, last_part};

/// What of a reader schema (`reader`) does not fit a version (`writer`), with the places in the reader's
/// JSON.
pub(crate) fn unreadable(writer: &Schema, reader: &Schema) -> Vec<Draft> {
    let mut reading = Reading { writer, reader, within: Vec::new(), found: Vec::new() };
    reading.types(&writer.root, &reader.root, &Path::default());
    reading.found
}

struct Reading<'a> {
    writer: &'a Schema,
    reader: &'a Schema,
    within: Vec<(&'a str, &'a str)>,
    found: Vec<Draft>,
}

impl<'a> Reading<'a> {
    fn types(&mut self, written: &'a Type, read: &'a Type, path: &Path) {
        if let (Shape::Named(one), Shape::Named(other)) = (&written.shape, &read.shape) {
            if self.within.contains(&(one, other)) {
                return;
            }
            self.within.push((one, other));
            if last_part(one) != last_part(other) {
                let what = format!("reads {other}, and {one} is written");
                self.broken(path, read, what, "types are found by their names");
            }
            self.shapes(written, read, path);
            self.within.pop();
            return;
        }
        self.shapes(written, read, path);
    }

    fn shapes(&mut self, written: &'a Type, read: &'a Type, path: &Path) {
        let (was, is) = (self.writer.definition(written), self.reader.definition(read));
        match (&was.shape, &is.shape) {
            (Shape::Union(branches), _) => {
                for branch in branches {
                    self.branch(branch, read, path);
                }
            }
            (_, Shape::Union(_)) => self.branch(written, read, path),
            (Shape::Array(written), Shape::Array(read)) => self.types(written, read, &path.item()),
            (Shape::Map(written), Shape::Map(read)) => self.types(written, read, &path.entry()),
            (Shape::Record(written), Shape::Record(read)) => self.fields(written, read, path),
            (
                Shape::Enum { symbols: written, .. },
                Shape::Enum { symbols: known, default: None },
            ) => {
                let unknown = written.iter().filter(|symbol| !known.contains(symbol));
                let unknown: Vec<&str> = unknown.map(String::as_str).collect();
                if !unknown.is_empty() {
                    let what = format!("does not know the symbol {}", unknown.join(", "));
                    self.broken(path, is, what, "an event with it cannot be read");
                }
            }
            // A symbol that is not known is read as the default by Avro: the values tell.
            (Shape::Enum { .. }, Shape::Enum { .. }) => {}
            (Shape::Fixed(one), Shape::Fixed(other)) if one != other => {
                let what = format!("reads {other} bytes, and {one} are written");
                self.broken(path, is, what, "the size must be the same");
            }
            (Shape::Fixed(_), Shape::Fixed(_)) => self.logical(was, is, path),
            (Shape::Plain(one), Shape::Plain(other)) if one == other => {
                self.logical(was, is, path);
            }
            (Shape::Plain(one), Shape::Plain(other)) if is_promoted(*one, *other) => {
                let what = format!("reads {}, and {} is written", other.name(), one.name());
                let draft = Draft::new(Rule::R23, Grade::Risky, path, &is.at, what);
                self.found.push(draft.because(
                    "Avro promotes one to the other; here the type behind the field has to take both",
                ));
            }
            _ => self.another(written, read, path),
        }
    }

    fn another(&mut self, written: &Type, read: &Type, path: &Path) {
        let what = format!(
            "reads {}, and {} is written",
            self.reader.describe(read),
            self.writer.describe(written)
        );
        self.broken(path, read, what, "one cannot be read as the other");
    }

    /// One branch of what is written.
    fn branch(&mut self, written: &'a Type, read: &'a Type, path: &Path) {
        let branches = self.reader.branches(read);
        let wanted = key(self.writer, written);
        if let Some(same) = branches.iter().find(|it| key(self.reader, it) == wanted) {
            self.types(written, same, path);
            return;
        }
        let plain = |schema: &Schema, of: &Type| match schema.definition(of).shape {
            Shape::Plain(plain) => Some(plain),
            _ => None,
        };
        let promotes = |to: &&&Type| match (plain(self.writer, written), plain(self.reader, to)) {
            (Some(from), Some(to)) => is_promoted(from, to),
            _ => false,
        };
        let fit: Vec<&&Type> = branches.iter().filter(promotes).collect();
        match fit[..] {
            [] if matches!(written.shape, Shape::Plain(Plain::Null)) => {
                let what = format!("reads {}, and null may be written", self.reader.describe(read));
                self.broken(path, read, what, "an event with null cannot be read");
            }
            // Of one branch it is the type itself that differs.
            [] if branches.len() == 1 => self.another(written, read, path),
            [] => {
                let what = format!("has no branch for {}", self.writer.describe(written));
                self.broken(path, read, what, "an event with it cannot be read");
            }
            [one] => self.types(written, one, path),
            _ => {
                let what = format!(
                    "{} fits several branches of {}",
                    self.writer.describe(written),
                    self.reader.describe(read)
                );
                let draft = Draft::new(Rule::R08, Grade::Risky, path, &read.at, what);
                self.found
                    .push(draft.because("it is read as the first that it can be promoted to"));
            }
        }
    }

    fn fields(&mut self, written: &'a [Field], read: &'a [Field], path: &Path) {
        for field in read {
            let path = path.field(&field.name);
            let found = written.iter().find(|it| it.name == field.name);
            let alias = field.aliases.iter().find(|it| written.iter().any(|of| of.name == **it));
            match (found, alias) {
                (Some(found), _) => self.types(&found.of, &field.of, &path),
                (None, Some(alias)) => {
                    let what = format!("finds it by the alias {alias} alone");
                    let why = "fields are read by the writer's names: the service would not start";
                    let draft = Draft::new(Rule::R20, Grade::Broken, &path, &field.at, what);
                    self.found.push(draft.because(why).mend(format!("call the field {alias}")));
                }
                (None, None) if field.default.is_some() => {}
                (None, None) => {
                    let draft = Draft::new(
                        Rule::R20,
                        Grade::Broken,
                        &path,
                        &field.at,
                        "reads it, and it is not written".to_owned(),
                    );
                    self.found.push(
                        draft
                            .because("without a default the event cannot be read")
                            .mend("give the reader's field a default, and its type the same"),
                    );
                }
            }
        }
    }

    fn logical(&mut self, written: &Type, read: &Type, path: &Path) {
        if written.logical == read.logical {
            return;
        }
        let what = format!(
            "reads {}, and {} is written",
            self.reader.describe(read),
            self.writer.describe(written)
        );
        self.broken(path, read, what, "the bytes are the same and mean something else");
    }

    fn broken(&mut self, path: &Path, read: &Type, what: String, why: &str) {
        let draft = Draft::new(Rule::R20, Grade::Broken, path, &read.at, what);
        self.found.push(draft.because(why));
    }
}
