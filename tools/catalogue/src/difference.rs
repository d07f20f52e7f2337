//! What differs between two versions of an event.

use serde_json::Value;

use crate::fields::Field;
use crate::model::Version;

/// One difference between an older version of an event and a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A field that only the newer has.
    Added {
        /// Its path.
        path: String,
        /// Its type.
        type_text: String,
        /// What readers take where it is not written.
        default: Option<Value>,
    },
    /// A field that only the older has.
    Removed {
        /// Its path.
        path: String,
    },
    /// A field's type.
    Type {
        /// The field's path.
        path: String,
        /// What it was, and what it is.
        was_is: [String; 2],
    },
    /// A field's default.
    Default {
        /// The field's path.
        path: String,
        /// What it was, and what it is.
        was_is: [Option<Value>; 2],
    },
    /// What a field means, or the event itself where there is no path.
    About {
        /// The field's path, if it is a field's.
        path: Option<String>,
        /// What it was, and what it is.
        was_is: [String; 2],
    },
    /// The values that a field has.
    Values {
        /// The field's path.
        path: String,
        /// Those that are new.
        added: Vec<String>,
        /// Those that are gone.
        removed: Vec<String>,
    },
    /// Whether a field holds personal data.
    Personal {
        /// The field's path.
        path: String,
        /// Whether it does now.
        is: bool,
    },
}

/// What differs between two versions of an event, in the order of the fields.
pub fn changes(older: &Version, newer: &Version) -> Vec<Change> {
    let mut changes = Vec::new();
    if older.about != newer.about {
        let was_is = [older.about.clone(), newer.about.clone()];
        changes.push(Change::About { path: None, was_is });
    }
    let find = |all: &[Field], path: &str| all.iter().find(|it| it.path == path).cloned();
    for field in &newer.fields {
        match find(&older.fields, &field.path) {
            Some(older) => of_field(&older, field, &mut changes),
            None => changes.push(Change::Added {
                path: field.path.clone(),
                type_text: field.type_text.clone(),
                default: field.default.clone(),
            }),
        }
    }
    let gone = older.fields.iter().filter(|it| find(&newer.fields, &it.path).is_none());
    changes.extend(gone.map(|it| Change::Removed { path: it.path.clone() }));
    changes
}

fn of_field(older: &Field, newer: &Field, changes: &mut Vec<Change>) {
    let path = || newer.path.clone();
    if older.type_text != newer.type_text {
        let was_is = [older, newer].map(|it| it.type_text.clone());
        changes.push(Change::Type { path: path(), was_is });
    }
    if older.default != newer.default {
        let was_is = [older, newer].map(|it| it.default.clone());
        changes.push(Change::Default { path: path(), was_is });
    }
    if older.about != newer.about {
        let was_is = [older, newer].map(|it| it.about.clone());
        changes.push(Change::About { path: Some(path()), was_is });
    }
    let only = |these: &Field, others: &Field| -> Vec<String> {
        these.values.iter().filter(|it| !others.values.contains(it)).cloned().collect()
    };
    let (added, removed) = (only(newer, older), only(older, newer));
    if !added.is_empty() || !removed.is_empty() {
        changes.push(Change::Values { path: path(), added, removed });
    }
    if older.is_personal != newer.is_personal {
        changes.push(Change::Personal { path: path(), is: newer.is_personal });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn version(number: u32, doc: &str, fields: &Value) -> Version {
        let schema = json!({"type": "record", "name": "Sold", "doc": doc, "fields": fields});
        Version::of(number, &schema, None)
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        let older = version(
            1,
            "Sold.",
            &json!([
                {"name": "pieces", "type": "int"},
                {"name": "colour", "type": "string", "default": "red", "doc": "Its colour."},
                {"name": "size", "type": "string"},
                {"name": "way", "type": "string", "farandole.values": ["web", "fax"]},
            ]),
        );
        let newer = version(
            2,
            "It is sold.",
            &json!([
                {"name": "pieces", "type": "long"},
                {"name": "colour", "type": "string", "default": "blue", "doc": "The colour."},
                {"name": "way", "type": "string", "farandole.values": ["web", "shop"],
                 "farandole.personal": true},
                {"name": "weight", "type": "int", "default": 0},
            ]),
        );
        let path = || "colour".to_owned();
        assert_eq!(
            changes(&older, &newer),
            [
                Change::About { path: None, was_is: ["Sold.".into(), "It is sold.".into()] },
                Change::Type { path: "pieces".into(), was_is: ["int".into(), "long".into()] },
                Change::Default { path: path(), was_is: [Some(json!("red")), Some(json!("blue"))] },
                Change::About {
                    path: Some(path()),
                    was_is: ["Its colour.".into(), "The colour.".into()]
                },
                Change::Values {
                    path: "way".into(),
                    added: vec!["shop".into()],
                    removed: vec!["fax".into()]
                },
                Change::Personal { path: "way".into(), is: true },
                Change::Added {
                    path: "weight".into(),
                    type_text: "int".into(),
                    default: Some(json!(0))
                },
                Change::Removed { path: "size".into() },
            ]
        );
        assert_eq!(changes(&older, &older), []);
    }
}
