//! YAML, as people write it: members in a given order, and quotes only where they are needed.

use std::fmt::Write as _;

use serde_json::Value;

/// A value in YAML.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Yaml {
    /// A scalar, or something whose members may come in any order.
    Json(Value),
    /// Items.
    List(Vec<Yaml>),
    /// Members in this order.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// These members in this order.
    pub(crate) fn map<K: Into<String>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// These items.
    pub(crate) fn list<V: Into<Self>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// A reference within the document.
    pub(crate) fn reference(to: &str) -> Self {
        Self::map([("$ref", to.into())])
    }

    /// A document of this value.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    /// Writes what comes after a key or a dash at this indentation, and ends the line.
    fn write_inner(&self, text: &mut String, indent: usize) {
        match self {
            Self::Map(members) if !members.is_empty() => {
                text.push('\n');
                self.write(text, indent + 2);
            }
            Self::List(items) if !items.is_empty() => {
                text.push('\n');
                self.write(text, indent + 2);
            }
            Self::Json(Value::Object(_) | Value::Array(_)) => {
                self.opened().write_inner(text, indent);
            }
            other => {
                text.push(' ');
                text.push_str(&other.scalar(indent));
                text.push('\n');
            }
        }
    }

    fn write(&self, text: &mut String, indent: usize) {
        match self {
            Self::Map(members) => {
                for (key, value) in members {
                    let _ = write!(text, "{:indent$}{}:", "", scalar(key));
                    value.write_inner(text, indent);
                }
            }
            Self::List(items) => {
                for item in items {
                    let mut inner = String::new();
                    match item.opened() {
                        Self::Map(members) if members.is_empty() => inner.push_str("{}\n"),
                        Self::List(items) if items.is_empty() => inner.push_str("[]\n"),
                        opened @ (Self::Map(_) | Self::List(_)) => {
                            opened.write(&mut inner, indent + 2);
                        }
                        other => inner = format!("{}\n", other.scalar(indent)),
                    }
                    // The first line of what is inside stands behind the dash.
                    let _ = write!(text, "{:indent$}- {}", "", inner.trim_start());
                }
            }
            Self::Json(Value::Object(_) | Value::Array(_)) => self.opened().write(text, indent),
            other @ Self::Json(_) => {
                let _ = writeln!(text, "{:indent$}{}", "", other.scalar(indent));
            }
        }
    }

    /// The same with its outermost members as ours.
    fn opened(&self) -> Self {
        match self {
            Self::Json(Value::Object(members)) => Self::map(
                members.iter().map(|(key, value)| (key.clone(), Self::Json(value.clone()))),
            ),
            Self::Json(Value::Array(items)) => {
                Self::List(items.iter().map(|item| Self::Json(item.clone())).collect())
            }
            other => other.clone(),
        }
    }

    fn scalar(&self, indent: usize) -> String {
        match self {
            Self::Json(Value::String(text)) if is_block(text) => {
                let lines = text.lines().map(|line| format!("{:1$}{line}", "", indent + 2));
                let lines = lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
                format!("|-\n{}", lines.join("\n"))
            }
            Self::Json(Value::String(text)) => scalar(text),
            Self::Json(other) => other.to_string(),
            Self::List(_) => "[]".to_owned(),
            Self::Map(_) => "{}".to_owned(),
        }
    }
}

/// Whether a text goes into lines of its own.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.ends_with('\n')
        && !text.starts_with([' ', '\n'])
        && text.lines().all(|line| !line.ends_with(' '))
        && text.chars().all(|c| c == '\n' || is_printable(c))
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A text: as it is where YAML takes it for that text, or else in quotes.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if is_printable(c) => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted + "\""
}

/// What begins with a letter, a slash or a dollar is no number and no date; and some words are not text.
fn is_plain(text: &str) -> bool {
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"]
        .contains(&text.to_lowercase().as_str());
    text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '$'))
        && !is_word
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
        && !text.contains('\t')
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Json(text.into())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Json(text.into())
    }
}

impl From<&String> for Yaml {
    fn from(text: &String) -> Self {
        Self::Json(text.as_str().into())
    }
}

impl From<Value> for Yaml {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let texts = [
            "",
            " ",
            "plain",
            "two words",
            "a: b",
            "a #b",
            "a#b",
            "a:b",
            "ends:",
            "true",
            "No",
            "~",
            "null",
            "1",
            "1.5",
            "0x1f",
            "2026-01-01",
            "- a",
            "-",
            "? a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a}",
            "[a]",
            "a, b",
            "/orders/{id}",
            "it's",
            "say \"so\"",
            "back\\slash",
            "a\nb",
            "a\n\n  b",
            "a\nb\n",
            "\na",
            "a \nb",
            "tab\there",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "Zoë 😀",
            "y",
            "=",
            "<<",
            ".inf",
            "trailing ",
            "|",
            ">",
            "a\rb",
        ];
        let mut value = json!({
            "nested": [[], {}, [[1, [2]], {"a": [{"b": null}]}], -1.5, true, null],
            "empty": {}, "none": [],
        });
        for text in texts {
            value["texts"][format!("key {text}")] = json!([text, {text: text}]);
        }
        let text = Yaml::from(value.clone()).text();
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, value, "{text}");
    }

    #[test]
    fn members_keep_their_order_and_people_can_read_them() {
        let yaml = Yaml::map([
            ("title", Yaml::from("What payment says")),
            ("about", "One.\nTwo.".into()),
            ("port", json!(8083).into()),
            ("all", Yaml::list(["b", "a: a"])),
            ("each", Yaml::List(vec![Yaml::map([("b", "1".into()), ("a", json!([]).into())])])),
        ]);
        assert_eq!(
            yaml.text(),
            "\
title: What payment says
about: |-
  One.
  Two.
port: 8083
all:
  - b
  - \"a: a\"
each:
  - b: \"1\"
    a: []
"
        );
    }
}
