use std::fmt;
use std::str::FromStr;

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(String);

/// An event by who emits it, written `order/OrderPlaced`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRef {
    /// The service.
    pub service: String,
    /// The type.
    pub event: String,
}

impl EventRef {
    /// Where a version of its schema is, from the root of the tree.
    pub(crate) fn schema(&self, version: u32) -> String {
        format!("schemas/{}/{}.v{version}.avsc", self.service, self.event)
    }
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.event)
    }
}

impl FromStr for EventRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (service, event) = text.split_once('/').ok_or_else(|| {
            InvalidName("expected SERVICE/EVENT, such as order/OrderPlaced".into())
        })?;
        Ok(Self { service: service_name(service)?, event: event_name(event)? })
    }
}

/// A field that a version has more: `NAME:TYPE=DEFAULT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub(crate) name: String,
    /// Its type in Avro, in Rust, and the default as both write it.
    pub(crate) avro: &'static str,
    pub(crate) rust: &'static str,
    pub(crate) json: serde_json::Value,
    pub(crate) literal: String,
}

impl FromStr for Field {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        const EXPECTED: &str = "expected NAME:TYPE=DEFAULT, such as channel:string=web; types are \
                                string, int, long, double and boolean";
        let invalid = || InvalidName(EXPECTED.to_owned());
        let (name, rest) = text.split_once(':').ok_or_else(invalid)?;
        let (avro, default) = rest.split_once('=').ok_or_else(invalid)?;
        if !is_snake(name) {
            return Err(InvalidName(format!("{name:?} is no field's name; {EXPECTED}")));
        }
        let no_default = |_| InvalidName(format!("{default:?} is no {avro}; {EXPECTED}"));
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).map_err(no_default);
        let (avro, of_rust, json, literal) = match avro {
            "string" => {
                let literal = format!("{default:?}.to_owned()");
                ("string", "String", serde_json::Value::from(default), literal)
            }
            "int" => ("int", "i32", json(default)?, default.to_owned()),
            "long" => ("long", "i64", json(default)?, default.to_owned()),
            "double" => ("double", "f64", json(default)?, default.to_owned()),
            "boolean" => ("boolean", "bool", json(default)?, default.to_owned()),
            _ => return Err(invalid()),
        };
        let fits = match avro {
            "int" => json.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "long" => json.is_i64(),
            "double" => json.is_f64(),
            "boolean" => json.is_boolean(),
            _ => true,
        };
        if !fits {
            return Err(InvalidName(format!("{default:?} is no {avro}; {EXPECTED}")));
        }
        Ok(Self { name: name.to_owned(), avro, rust: of_rust, json, literal })
    }
}

/// A service's name: of its crate, its topics, its database.
pub(crate) fn service_name(text: &str) -> Result<String, InvalidName> {
    let is_name = is_snake(text) && !RESERVED.contains(&text);
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        InvalidName(format!(
            "{text:?} is no service's name: expected small letters, digits and _, such as loyalty, and no \
             word of Rust or name of a crate"
        ))
    })
}

/// What a crate or a module cannot be called, or another one is.
const RESERVED: [&str; 24] = [
    "self",
    "super",
    "crate",
    "type",
    "match",
    "move",
    "ref",
    "mod",
    "use",
    "async",
    "await",
    "loop",
    "test",
    "std",
    "core",
    "alloc",
    "kernel",
    "contracts",
    "kafka",
    "messaging",
    "runtime",
    "testkit",
    "registry",
    "operator",
];

/// An event's type: a fact, in the past.
pub(crate) fn event_name(text: &str) -> Result<String, InvalidName> {
    let is_name = text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric());
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        InvalidName(format!("{text:?} is no event's name: expected a fact, such as PointsAwarded"))
    })
}

fn is_snake(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `OrderPlaced` as `order_placed`.
pub(crate) fn snake(event: &str) -> String {
    let mut name = String::new();
    for c in event.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// `OrderPlaced` as `ORDER_PLACED`.
pub(crate) fn constant(event: &str) -> String {
    snake(event).to_uppercase()
}

/// `fraud_check` as `FraudCheck`.
pub(crate) fn pascal(service: &str) -> String {
    let words = service.split('_');
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect()
}

/// `PointsAwarded` as `Points awarded.`
pub(crate) fn sentence(event: &str) -> String {
    let words = snake(event).replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_turned() {
        let event: EventRef = "order/OrderPlaced".parse().unwrap();
        assert_eq!(event.to_string(), "order/OrderPlaced");
        for wrong in
            ["OrderPlaced", "Order/OrderPlaced", "order/placed", "order/Order-Placed", "/X"]
        {
            assert!(wrong.parse::<EventRef>().is_err(), "{wrong}");
        }
        assert!(
            ["match", "kernel", "Loyalty", "9to5", ""].iter().all(|it| service_name(it).is_err())
        );
        assert_eq!(constant("OrderPlaced"), "ORDER_PLACED");
        assert_eq!(pascal("fraud_check"), "FraudCheck");
        assert_eq!(sentence("PointsAwarded"), "Points awarded.");
    }

    #[test]
    fn a_field_has_a_default_of_its_type() {
        let field: Field = "channel:string=web".parse().unwrap();
        assert_eq!(field.literal, "\"web\".to_owned()");
        for right in ["n:int=0", "n:long=-1", "n:double=0.5", "n:boolean=false", "n:string="] {
            right.parse::<Field>().unwrap();
        }
        for wrong in
            ["n:int=a", "n:int=3000000000", "n:string", "n=1", "n:list=1", "N:int=1", "n:boolean=1"]
        {
            assert!(wrong.parse::<Field>().is_err(), "{wrong}");
        }
    }
}
