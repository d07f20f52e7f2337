use contracts::{Encoder, WriterSchema};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::*;

fn record(name: &str, fields: &Value) -> Value {
    json!({"type": "record", "name": name, "fields": fields})
}

fn field(name: &str, of: &Value) -> Value {
    json!({"name": name, "type": of})
}

fn personal(name: &str, of: &Value) -> Value {
    json!({"name": name, "type": of, "farandole.personal": true})
}

#[test]
fn what_is_marked_is_hidden_wherever_it_is() {
    let text = json!("string");
    let who = record("Who", &json!([personal("name", &text), field("vip", &json!("boolean"))]));
    let in_all =
        json!(["null", {"type": "map", "values": {"type": "array", "items": ["null", who]}}]);
    let schema = record(
        "a.b.Thing",
        &json!([field("id", &text), field("people", &in_all), field("first", &json!("Who"))]),
    );
    let ada = json!({"name": "Ada", "vip": true});
    let value = json!({"id": "1", "people": {"x": [null, ada]}, "first": ada});
    let hidden = json!({"name": MASK, "vip": true});
    let expected = json!({"id": "1", "people": {"x": [null, hidden]}, "first": hidden});
    assert_eq!(masked(&schema, value), expected);
}

#[test]
fn a_record_in_itself_is_masked_at_every_depth() {
    let list = record(
        "List",
        &json!([personal("who", &json!("string")), field("next", &json!(["null", "List"]))]),
    );
    let one = |next: Value| json!({"who": "Ada", "next": next});
    let shown = masked(&list, one(one(one(Value::Null))));
    assert!(!shown.to_string().contains("Ada"), "{shown}");
    assert_eq!(shown["next"]["next"]["next"], Value::Null);
}

#[test]
fn every_kind_of_value_is_shown_or_hidden() {
    let kinds = [
        (json!("bytes"), json!("c0ffee")),
        (json!({"type": "fixed", "name": "F", "size": 3}), json!("c0ffee")),
        (json!({"type": "enum", "name": "E", "symbols": ["A"], "aliases": ["Old"]}), json!("A")),
        (json!({"type": "string", "logicalType": "uuid"}), json!("0")),
        (json!({"type": "bytes", "logicalType": "decimal", "precision": 4}), json!("1.5")),
        (
            json!({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}),
            json!({"months": 1}),
        ),
        (json!({"type": {"type": "long", "logicalType": "timestamp-millis"}}), json!(4)),
        (json!(["null", "double"]), json!(1.5)),
        (json!({"type": "array", "items": "int"}), json!([1, 2])),
        (json!({"type": "map", "values": "int"}), json!({"Ada": 1})),
    ];
    for (kind, value) in kinds {
        let schema = record("T", &json!([field("open", &kind), personal("own", &json!("string"))]));
        let shown = masked(&schema, json!({"open": value, "own": "x"}));
        assert_eq!(shown, json!({"open": value, "own": MASK}), "{kind}");
        let schema = record("T", &json!([personal("own", &kind)]));
        assert_eq!(masked(&schema, json!({"own": value})), json!({"own": MASK}), "{kind}");
    }
}

#[test]
fn a_mark_at_the_type_counts_and_so_does_an_odd_one() {
    let who = json!({"type": "record", "name": "Who", "farandole.personal": true,
        "fields": [field("name", &json!("string"))]});
    let odd = json!({"name": "odd", "type": "string", "farandole.personal": "yes"});
    let plain = json!({"name": "plain", "type": "string", "farandole.personal": false});
    let schema =
        record("T", &json!([field("a", &who), field("b", &json!(["null", "Who"])), odd, plain]));
    let value = json!({"a": {"name": "Ada"}, "b": {"name": "Ada"}, "odd": "Ada", "plain": "x"});
    let expected = json!({"a": MASK, "b": MASK, "odd": MASK, "plain": "x"});
    assert_eq!(masked(&schema, value), expected);
}

#[test]
fn which_branch_of_a_union_it_is_nobody_knows() {
    let one = record("One", &json!([personal("name", &json!("string"))]));
    let other =
        record("Other", &json!([field("name", &json!("string")), field("no", &json!("int"))]));
    let schema = record("T", &json!([field("it", &json!([one, other]))]));
    let shown = masked(&schema, json!({"it": {"name": "Ada", "no": 1}}));
    assert_eq!(shown, json!({"it": {"name": MASK, "no": 1}}));
}

#[test]
fn what_a_schema_does_not_tell_of_is_hidden() {
    let schema =
        record("T", &json!([personal("own", &json!("string")), field("odd", &json!("Nobody"))]));
    let shown = masked(&schema, json!({"own": "x", "odd": "y", "more": "z"}));
    assert_eq!(shown, json!({"own": MASK, "odd": MASK, "more": MASK}));
}

#[test]
fn a_schema_that_says_nothing_shows_names_unless_it_is_our_own() {
    let schema = record("T", &json!([field("name", &json!("string"))]));
    assert_eq!(masked(&schema, json!({"name": "Ada"})), json!({"name": MASK}));
    let mut said = schema;
    said["farandole.personal"] = json!(false);
    assert_eq!(masked(&said, json!({"name": "Ada"})), json!({"name": "Ada"}));

    let released = Schemas::embedded();
    let quiet = released.versions("inventory", "StockReserved").last().unwrap();
    let quiet: Value = serde_json::from_str(&quiet.text).unwrap();
    let value = json!({"order_id": "1"});
    assert_eq!(masked(&quiet, value.clone()), value);
    let mut forged = quiet;
    forged["fields"].as_array_mut().unwrap().push(field("name", &json!("string")));
    assert_eq!(masked(&forged, value), json!({"order_id": MASK}));
}

#[test]
fn an_order_as_it_is_decoded_shows_no_recipient() {
    #[derive(Serialize)]
    struct Written {
        id: &'static str,
        who: Option<Who>,
    }
    #[derive(Serialize)]
    struct Who {
        name: &'static str,
    }
    let who = record("Who", &json!([field("name", &json!("string"))]));
    let schema = record(
        "T",
        &json!([field("id", &json!("string")), personal("who", &json!(["null", who]))]),
    );
    let text = schema.to_string();
    let written = Written { id: "1", who: Some(Who { name: "Ada" }) };
    let bytes = Encoder::new(1, &text).unwrap().encode(&written).unwrap();
    let value: Value = WriterSchema::parse(&text).unwrap().decode(&bytes).unwrap();
    assert_eq!(value["who"]["name"], "Ada");
    assert_eq!(masked(&schema, value), json!({"id": "1", "who": MASK}));
}

/// A schema and a value of it, before it is said what of it is personal.
#[derive(Debug, Clone)]
enum Tree {
    Text,
    Number,
    Symbol,
    Record(Vec<(bool, Tree)>),
    Array(Box<Tree>, usize),
    Map(Box<Tree>, usize),
    /// Of these branches the one at this place.
    Union(Vec<Tree>, usize),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![Just(Tree::Text), Just(Tree::Number), Just(Tree::Symbol)];
    let within = leaf.prop_recursive(5, 40, 4, |inner| {
        let fields = prop::collection::vec((any::<bool>(), inner.clone()), 1..4);
        prop_oneof![
            fields.prop_map(Tree::Record),
            (inner.clone(), 0..3_usize).prop_map(|(of, count)| Tree::Array(Box::new(of), count)),
            (inner.clone(), 0..3_usize).prop_map(|(of, count)| Tree::Map(Box::new(of), count)),
            prop::collection::vec(inner, 1..4)
                .prop_flat_map(|of| (0..of.len()).prop_map(move |at| Tree::Union(of.clone(), at))),
        ]
    });
    prop::collection::vec((any::<bool>(), within), 1..5).prop_map(Tree::Record)
}

/// What stands where something is personal, and where nothing is.
const PLANTED: (&str, i64) = ("CANARY", 777_777);
const OPEN: (&str, i64) = ("open", 4);

impl Tree {
    /// The schema, and a value with what is planted where it is personal.
    fn grow(&self, is_personal: bool, names: &mut usize) -> (Value, Value) {
        let (text, number) = if is_personal { PLANTED } else { OPEN };
        *names += 1;
        let name = format!("N{names}");
        match self {
            Self::Text => (json!("string"), json!(text)),
            Self::Number => (json!({"type": "long", "logicalType": "time-micros"}), json!(number)),
            Self::Symbol => (json!({"type": "enum", "name": name, "symbols": [text]}), json!(text)),
            Self::Record(fields) => {
                let (mut of, mut value) = (Vec::new(), Map::new());
                for (at, (marked, tree)) in fields.iter().enumerate() {
                    let (schema, inner) = tree.grow(is_personal || *marked, names);
                    let name = format!("{name}_{at}");
                    of.push(if *marked { personal(&name, &schema) } else { field(&name, &schema) });
                    value.insert(name, inner);
                }
                (record(&name, &of.into()), value.into())
            }
            Self::Array(of, count) => {
                let (schema, value) = of.grow(is_personal, names);
                (json!({"type": "array", "items": schema}), vec![value; *count].into())
            }
            Self::Map(of, count) => {
                let (schema, value) = of.grow(is_personal, names);
                let key = |at| format!("{text}{at}");
                let entries = (0..*count).map(|at| (key(at), value.clone()));
                (json!({"type": "map", "values": schema}), Value::Object(entries.collect()))
            }
            Self::Union(branches, at) => {
                let grown: Vec<_> = branches.iter().map(|it| it.grow(is_personal, names)).collect();
                let value = grown[*at].1.clone();
                (grown.into_iter().map(|(schema, _)| schema).collect(), value)
            }
        }
    }
}

/// How often something is in a text.
fn count(text: &str, (word, number): (&str, i64)) -> usize {
    text.matches(word).count()
        + text.matches(&format!(":{number}")).count()
        + text.matches(&format!("[{number}")).count()
        + text.matches(&format!(",{number}")).count()
}

proptest! {
    #[test]
    fn nothing_that_is_personal_is_shown_and_all_else_is(tree in trees()) {
        let (schema, value) = tree.grow(false, &mut 0);
        let told = value.to_string();
        let shown = masked(&schema, value).to_string();
        prop_assert_eq!(count(&shown, PLANTED), 0, "{} of {}", shown, schema);
        let is_said = schema.to_string().contains(PERSONAL);
        let open = if is_said { count(&told, OPEN) } else { 0 };
        prop_assert_eq!(count(&shown, OPEN), open, "{} of {}", shown, schema);
    }

    #[test]
    fn no_word_of_a_payload_is_in_an_error(
        name in "[A-Z][a-zäöü]{1,12}( [A-Z0-9][a-z0-9]{0,9}){0,2}",
        before in "[\\x00-\\xff]{0,8}",
        around in prop::sample::select(vec!["", "\"", "`", "'", "“", "=", "("]),
    ) {
        let payload = [before.as_bytes(), name.as_bytes(), b"\x04FR"].concat();
        let told = format!("the carrier does not know {around}{name}{around} in FR.");
        let shown = error_about(&told, &payload);
        for word in name.split(' ').filter(|word| word.len() > 1) {
            prop_assert!(!shown.contains(word), "{}: {}", word, shown);
        }
        prop_assert!(!shown.contains("FR") && shown.starts_with("the carrier does not know"));
    }
}

#[test]
fn an_error_is_shown_without_what_it_quotes() {
    for (told, expected) in [
        ("header ce_id is missing", "header ce_id is missing"),
        (
            "header ce_id is \"Ada \\\"L\\\"\", which is no UUID",
            "header ce_id is (redacted), which is no UUID",
        ),
        (
            "invalid type: string \"Ada\", expected i32",
            "invalid type: string (redacted), expected i32",
        ),
        ("unknown variant `Ada`, expected `a` or `b`", "unknown variant (redacted)"),
        ("missing field `sku`", "missing field `sku`"),
        ("it panicked: Ada has no e-mail", "it panicked: (redacted)"),
        ("the street “12 Ada", "the street (redacted)"),
        ("it doesn't fit the service's schema", "it doesn't fit the service's schema"),
    ] {
        assert_eq!(error(told), expected);
    }
    let about = error_about(
        "no street 12 Canary Lane, of ada@example.org",
        b"\x1812 Canary Lane\x1eada@example.org",
    );
    assert_eq!(about, "no street (redacted) (redacted) (redacted) of (redacted)");
}
