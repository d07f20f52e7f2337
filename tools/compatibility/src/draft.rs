//! A finding about a schema before it is known who is hurt by it.

use serde_json::{Value as Json, json};

use crate::path::Path;
use crate::rule::Rule;
use crate::schema::Field;

/// How a verdict is come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    Note,
    Risky,
    /// Whoever reads it: the registry refuses it.
    Broken,
    /// Broken if somebody in the fleet reads it, else risky.
    IfRead,
}

#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) rule: Rule,
    pub(crate) grade: Grade,
    pub(crate) path: Path,
    /// Where it was before, if it is somewhere else now.
    pub(crate) before: Option<Path>,
    /// Where it is in the JSON of the new schema.
    pub(crate) at: String,
    pub(crate) what: String,
    pub(crate) why: String,
    /// If it is mended in another way than the rule says.
    pub(crate) mend: Option<String>,
    pub(crate) paste: Option<String>,
}

impl Draft {
    pub(crate) fn new(rule: Rule, grade: Grade, path: &Path, at: &str, what: String) -> Self {
        Self {
            rule,
            grade,
            path: path.clone(),
            before: None,
            at: at.to_owned(),
            what,
            why: String::new(),
            mend: None,
            paste: None,
        }
    }

    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(crate) fn paste(mut self, paste: impl Into<String>) -> Self {
        self.paste = Some(paste.into());
        self
    }

    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    pub(crate) fn was(mut self, before: Path) -> Self {
        self.before = Some(before);
        self
    }
}

/// The JSON at a pointer of a schema, on one line.
pub(crate) fn json_at(text: &str, pointer: &str) -> Option<String> {
    let whole: Json = serde_json::from_str(text).ok()?;
    Some(whole.pointer(pointer)?.to_string())
}

/// A field's JSON with a default more, or another.
pub(crate) fn with_default(text: &str, field: &Field, default: Json) -> Option<String> {
    let whole: Json = serde_json::from_str(text).ok()?;
    let mut of = whole.pointer(&field.at)?.clone();
    of.as_object_mut()?.insert("default".to_owned(), default);
    Some(of.to_string())
}

/// What may stand as a default of a type: the least that it can say.
pub(crate) fn some_default(kind: &Json) -> Json {
    match kind {
        Json::String(kind) => match kind.as_str() {
            "null" => Json::Null,
            "boolean" => json!(false),
            "int" | "long" | "float" | "double" => json!(0),
            _ => json!(""),
        },
        Json::Array(branches) => branches.first().map_or(Json::Null, some_default),
        Json::Object(of) => match of.get("type").and_then(Json::as_str) {
            Some("array") => json!([]),
            Some("map") => json!({}),
            Some("enum") => of.get("symbols").and_then(|it| it.get(0)).cloned().unwrap_or_default(),
            Some("record") => {
                let fields = of.get("fields").and_then(Json::as_array).into_iter().flatten();
                let member = |field: &Json| {
                    let name = field.get("name")?.as_str()?.to_owned();
                    let default = field.get("default").cloned();
                    Some((name, default.unwrap_or_else(|| some_default(&field["type"]))))
                };
                Json::Object(fields.filter_map(member).collect())
            }
            Some(kind) => some_default(&json!(kind)),
            None => of.get("type").map_or(Json::Null, some_default),
        },
        _ => Json::Null,
    }
}
