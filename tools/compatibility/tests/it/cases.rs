//! Versions of a schema and a reader, with what is to be found: what is not listed must not be.

#![allow(clippy::too_many_lines, reason = "they are tables")]

use compatibility::Rules;
use serde_json::{Value, json};

use crate::kit::{Question, d, f, files, logical, thing, with};

/// Two or more versions, what is read of them, and what is to be found.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) versions: Vec<String>,
    pub(crate) reader: Option<String>,
    pub(crate) expected: &'static [&'static str],
}

impl Case {
    pub(crate) fn question(&self) -> Question {
        let now = files(&self.versions, self.reader.as_ref());
        Question { now, before: None, more: |_| {} }
    }
}

/// Two versions that nobody reads.
fn pair(
    name: &'static str,
    old: &[Value],
    new: &[Value],
    expected: &'static [&'static str],
) -> Case {
    Case { name, versions: vec![thing(old), thing(new)], reader: None, expected }
}

/// Two versions, and what a service reads of them.
fn read(
    name: &'static str,
    old: &[Value],
    new: &[Value],
    reader: &[Value],
    expected: &'static [&'static str],
) -> Case {
    Case { reader: Some(thing(reader)), ..pair(name, old, new, expected) }
}

/// One version, and what a service reads of it.
fn one(
    name: &'static str,
    version: &[Value],
    reader: &[Value],
    expected: &'static [&'static str],
) -> Case {
    let reader = Some(thing(reader));
    Case { name, versions: vec![thing(version)], reader, expected }
}

const MONEY: &str = r#"{"type":"record","name":"Money","fields":[
    {"name":"amount","type":"long"},{"name":"currency","type":"string"}]}"#;
const PRICE: &str = r#"{"type":"record","name":"Price","fields":[
    {"name":"amount","type":"long"},{"name":"currency","type":"string"}]}"#;
const SIZES: &str = r#"{"type":"enum","name":"Size","symbols":["SMALL","LARGE"]}"#;
const SIZES_AND_HUGE: &str = r#"{"type":"enum","name":"Size","symbols":["SMALL","LARGE","HUGE"]}"#;
const SIZES_OR_SMALL: &str =
    r#"{"type":"enum","name":"Size","symbols":["SMALL","LARGE"],"default":"SMALL"}"#;
const HUGE_OR_SMALL: &str =
    r#"{"type":"enum","name":"Size","symbols":["SMALL","LARGE","HUGE"],"default":"SMALL"}"#;
const TURNED: &str = r#"{"type":"enum","name":"Size","symbols":["LARGE","SMALL"]}"#;

fn decimal(precision: u32, scale: u32) -> String {
    json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        .to_string()
}

fn fixed(name: &str, size: u32) -> String {
    json!({"type": "fixed", "name": name, "size": size}).to_string()
}

fn list(of: &str) -> String {
    json!({"type": "array", "items": crate::kit::kind(of)}).to_string()
}

fn map(of: &str) -> String {
    json!({"type": "map", "values": crate::kit::kind(of)}).to_string()
}

fn maybe(of: &str) -> String {
    json!(["null", crate::kit::kind(of)]).to_string()
}

/// A line of an order, with what else it has.
fn line(more: &[Value]) -> String {
    let fields: Vec<Value> = [f("sku", "string")].into_iter().chain(more.iter().cloned()).collect();
    json!({"type": "record", "name": "Line", "fields": fields}).to_string()
}

fn doc(of: Value, doc: &str) -> Value {
    with(of, "doc", json!(doc))
}

/// All cases, by what changes.
pub(crate) fn all() -> Vec<Case> {
    let mut all = fields();
    all.extend(types());
    all.extend(unions());
    all.extend(enums());
    all.extend(names());
    all.extend(meanings());
    all.extend(readers());
    all
}

fn fields() -> Vec<Case> {
    let id = || f("id", "string");
    vec![
        pair("nothing changes", &[id()], &[id()], &[]),
        pair(
            "a field with a default is added",
            &[id()],
            &[id(), d("note", "string", json!(""))],
            &[],
        ),
        pair(
            "a nullable field is added",
            &[id()],
            &[id(), d("note", &maybe("string"), json!(null))],
            &[],
        ),
        pair(
            "a nullable field is added without a default",
            &[id()],
            &[id(), f("note", &maybe("string"))],
            &["R01 broken note"],
        ),
        pair(
            "a field without a default is added",
            &[id()],
            &[id(), f("note", "string")],
            &["R01 broken note"],
        ),
        pair(
            "a record without a default is added",
            &[id()],
            &[id(), f("price", MONEY)],
            &["R01 broken price"],
        ),
        pair("fields change places", &[id(), f("n", "long")], &[f("n", "long"), id()], &[]),
        pair(
            "a field without a default is removed",
            &[id(), f("note", "string")],
            &[id()],
            &["R02 broken note"],
        ),
        read(
            "a field without a default is removed that is read",
            &[id(), f("note", "string")],
            &[id()],
            &[f("note", "string")],
            &["R02 broken note"],
        ),
        pair(
            "a field with a default is removed that nobody reads",
            &[id(), d("note", "string", json!(""))],
            &[id()],
            &["R03 risky note"],
        ),
        read(
            "a field with a default is removed that is read",
            &[id(), d("total", "long", json!(0))],
            &[id()],
            &[d("total", "long", json!(0))],
            &["R03 broken total"],
        ),
        read(
            "a field with a default is removed, and another is read",
            &[id(), d("total", "long", json!(0))],
            &[id()],
            &[id()],
            &["R03 risky total"],
        ),
        Case {
            name: "a field is removed, and comes again with another type",
            versions: vec![
                thing(&[id(), d("n", "long", json!(0))]),
                thing(&[id()]),
                thing(&[id(), d("n", "string", json!(""))]),
            ],
            reader: None,
            expected: &["R03 risky n", "R05 broken n"],
        },
        Case {
            name: "three versions, each with a field with a default more",
            versions: vec![
                thing(&[id()]),
                thing(&[id(), d("a", "long", json!(0))]),
                thing(&[id(), d("a", "long", json!(0)), d("b", "long", json!(0))]),
            ],
            reader: Some(thing(&[d("b", "long", json!(0))])),
            expected: &[],
        },
        pair(
            "a field within a list is removed",
            &[f("lines", &list(&line(&[d("weight", "int", json!(0))])))],
            &[f("lines", &list(&line(&[])))],
            &["R03 risky lines[].weight"],
        ),
        read(
            "a field within a list is removed that is read",
            &[f("lines", &list(&line(&[d("weight", "int", json!(0))])))],
            &[f("lines", &list(&line(&[])))],
            &[f("lines", &list(&line(&[d("weight", "int", json!(0))])))],
            &["R03 broken lines[].weight"],
        ),
        pair(
            "a field within a map is added without a default",
            &[f("by_sku", &map(&line(&[])))],
            &[f("by_sku", &map(&line(&[f("weight", "int")])))],
            &["R01 broken by_sku{}.weight"],
        ),
        pair(
            "a field is renamed",
            &[id(), f("total", "long")],
            &[id(), f("total_amount", "long")],
            &["R04 broken total_amount"],
        ),
        pair(
            "a field is renamed, with an alias",
            &[id(), f("total", "long")],
            &[id(), with(f("sum", "long"), "aliases", json!(["total"]))],
            &["R04 broken sum"],
        ),
        pair(
            "a field with a default is renamed that nobody reads",
            &[id(), d("total", "long", json!(0))],
            &[id(), d("totals", "long", json!(0))],
            &["R04 risky totals"],
        ),
        read(
            "a field with a default is renamed that is read",
            &[id(), d("total", "long", json!(0))],
            &[id(), d("totals", "long", json!(0))],
            &[d("total", "long", json!(0))],
            &["R04 broken totals"],
        ),
        read(
            "a field is renamed that is read by its new name",
            &[id(), d("total", "long", json!(0))],
            &[id(), d("totals", "long", json!(0))],
            &[d("totals", "long", json!(0))],
            &["R04 broken totals"],
        ),
        pair(
            "a field is removed and another, unlike it, is added",
            &[id(), d("weight", "int", json!(0))],
            &[id(), d("colour", "string", json!("red"))],
            &["R03 risky weight"],
        ),
        pair(
            "a default changes that nobody reads",
            &[id(), d("n", "long", json!(0))],
            &[id(), d("n", "long", json!(1))],
            &["R10 risky n"],
        ),
        read(
            "a default changes of what is read",
            &[id(), d("n", "long", json!(0))],
            &[id(), d("n", "long", json!(1))],
            &[f("n", "long")],
            &["R10 broken n"],
        ),
        pair(
            "a field gets a default",
            &[id(), f("n", "long")],
            &[id(), d("n", "long", json!(0))],
            &[],
        ),
        pair(
            "a field loses its default",
            &[id(), d("n", "long", json!(0))],
            &[id(), f("n", "long")],
            &[],
        ),
    ]
}

fn types() -> Vec<Case> {
    let n = |of: &str| [f("n", of)];
    vec![
        pair("int becomes long", &n("int"), &n("long"), &["R05 broken n"]),
        read(
            "int becomes long, which is read as long",
            &n("int"),
            &n("long"),
            &n("long"),
            &["R05 broken n"],
        ),
        pair("long becomes int", &n("long"), &n("int"), &["R05 broken n"]),
        pair("long becomes double", &n("long"), &n("double"), &["R05 broken n"]),
        pair("float becomes double", &n("float"), &n("double"), &["R05 broken n"]),
        pair("string becomes bytes that nobody reads", &n("string"), &n("bytes"), &["R05 risky n"]),
        read(
            "string becomes bytes that is read",
            &n("string"),
            &n("bytes"),
            &n("string"),
            &["R05 broken n"],
        ),
        pair("long becomes string", &n("long"), &n("string"), &["R05 broken n"]),
        pair("a text becomes a record", &n("string"), &n(MONEY), &["R05 broken n"]),
        pair("a text becomes a list of it", &n("string"), &n(&list("string")), &["R05 broken n"]),
        pair("items of a list change", &n(&list("int")), &n(&list("long")), &["R05 broken n[]"]),
        pair("values of a map change", &n(&map("int")), &n(&map("string")), &["R05 broken n{}"]),
        pair("a list becomes a map", &n(&list("int")), &n(&map("int")), &["R05 broken n"]),
        pair("an enum becomes a text", &n(SIZES), &n("string"), &["R05 broken n"]),
        pair(
            "a fixed gets another size",
            &n(&fixed("Hash", 16)),
            &n(&fixed("Hash", 32)),
            &["R17 broken n"],
        ),
        pair(
            "a decimal gets another scale",
            &n(&decimal(9, 2)),
            &n(&decimal(9, 3)),
            &["R17 broken n"],
        ),
        pair(
            "a decimal gets another precision",
            &n(&decimal(9, 2)),
            &n(&decimal(12, 2)),
            &["R17 broken n"],
        ),
        pair(
            "milliseconds become microseconds that nobody reads",
            &n(&logical("long", "timestamp-millis")),
            &n(&logical("long", "timestamp-micros")),
            &["R18 risky n"],
        ),
        read(
            "milliseconds become microseconds that are read",
            &n(&logical("long", "timestamp-millis")),
            &n(&logical("long", "timestamp-micros")),
            &n(&logical("long", "timestamp-millis")),
            &["R18 broken n"],
        ),
        read(
            "a number becomes a time",
            &n("long"),
            &n(&logical("long", "timestamp-millis")),
            &n("long"),
            &["R18 broken n"],
        ),
        read(
            "a time becomes a number",
            &n(&logical("long", "timestamp-millis")),
            &n("long"),
            &n("long"),
            &["R18 broken n"],
        ),
        read(
            "a text becomes an id",
            &n("string"),
            &n(&logical("string", "uuid")),
            &n("string"),
            &["R18 broken n"],
        ),
        pair("a decimal becomes bytes", &n(&decimal(9, 2)), &n("bytes"), &["R18 risky n"]),
        pair(
            "a logical type that nobody knows is added",
            &n("long"),
            &n(&logical("long", "price")),
            &[],
        ),
        pair(
            "a logical type that its type cannot have is added",
            &n("string"),
            &n(&logical("string", "timestamp-millis")),
            &[],
        ),
        one("a decimal is read", &n(&decimal(9, 2)), &n(&decimal(9, 2)), &[]),
        one(
            "bytes and fixeds are read",
            &[f("a", "bytes"), f("b", &fixed("Hash", 4))],
            &[f("a", "bytes"), f("b", &fixed("Hash", 4))],
            &[],
        ),
        one(
            "every plain type is read",
            &[
                f("a", "boolean"),
                f("b", "int"),
                f("c", "long"),
                f("d", "float"),
                f("e", "double"),
                f("g", "string"),
                f("h", &logical("string", "uuid")),
                f("i", &logical("int", "date")),
            ],
            &[
                f("a", "boolean"),
                f("b", "int"),
                f("c", "long"),
                f("d", "float"),
                f("e", "double"),
                f("g", "string"),
                f("h", &logical("string", "uuid")),
                f("i", &logical("int", "date")),
            ],
            &[],
        ),
    ]
}

fn unions() -> Vec<Case> {
    let n = |of: &str| [f("n", of)];
    let null = |of: &str| [d("n", of, json!(null))];
    vec![
        pair("a field may be null", &n("string"), &n(&maybe("string")), &["R06 broken n"]),
        read(
            "a field may be null that is read",
            &n("string"),
            &n(&maybe("string")),
            &n("string"),
            &["R06 broken n"],
        ),
        read(
            "a field may be null, and is read so",
            &n("string"),
            &n(&maybe("string")),
            &n(&maybe("string")),
            &["R06 broken n"],
        ),
        pair(
            "a field may not be null any more",
            &n(&maybe("string")),
            &n("string"),
            &["R06 broken n"],
        ),
        pair(
            "a branch is added",
            &n(r#"["null","string"]"#),
            &n(r#"["null","string","long"]"#),
            &["R07 broken n"],
        ),
        pair(
            "a branch is removed",
            &n(r#"["null","string","long"]"#),
            &n(r#"["null","string"]"#),
            &["R07 broken n"],
        ),
        pair(
            "a text becomes a union with a number",
            &n("string"),
            &n(r#"["string","long"]"#),
            &["R07 broken n"],
        ),
        pair(
            "branches change places",
            &n(r#"["null","string"]"#),
            &n(r#"["string","null"]"#),
            &["R08 risky n"],
        ),
        pair(
            "branches of numbers change places",
            &n(r#"["long","double"]"#),
            &n(r#"["double","long"]"#),
            &["R08 risky n"],
        ),
        one(
            "an int is read by a union of numbers",
            &n("int"),
            &n(r#"["double","long"]"#),
            &["R08 risky n", "R21 broken n"],
        ),
        one(
            "a default of the second branch",
            &[d("n", r#"["null","string"]"#, json!("x"))],
            &[],
            &["R09 broken n"],
        ),
        one(
            "a default of the first branch",
            &[d("n", r#"["string","null"]"#, json!("x"))],
            &[],
            &[],
        ),
        one(
            "a default of the second branch of a reader",
            &[f("id", "string")],
            &[d("n", r#"["null","string"]"#, json!("x"))],
            &["R09 broken n"],
        ),
        one(
            "a nullable text is read as one",
            &null(&maybe("string")),
            &null(&maybe("string")),
            &[],
        ),
        one(
            "a nullable text is read as a text",
            &null(&maybe("string")),
            &n("string"),
            &["R20 broken n"],
        ),
        one("a text is read as a nullable one", &n("string"), &n(&maybe("string")), &[]),
        one("a nullable record is read", &null(&maybe(MONEY)), &null(&maybe(MONEY)), &[]),
        one(
            "a record is read where it is only referred to",
            &[f("a", MONEY), d("b", r#"["null","Money"]"#, json!(null)), f("c", &list("Money"))],
            &[d("b", &maybe(MONEY), json!(null)), f("c", &list("Money"))],
            &[],
        ),
        read(
            "a nullable reference is added",
            &[f("a", MONEY)],
            &[f("a", MONEY), d("b", r#"["null","Money"]"#, json!(null))],
            &[f("a", MONEY)],
            &[],
        ),
        one(
            "a union of several is read",
            &n(r#"["null","string","long"]"#),
            &n(r#"["null","string","long"]"#),
            &[],
        ),
        one(
            "a union is read in another order",
            &n(r#"["null","string","long"]"#),
            &n(r#"["long","string","null"]"#),
            &[],
        ),
        one(
            "a union is read without one of its branches",
            &n(r#"["null","string","long"]"#),
            &n(r#"["null","string"]"#),
            &["R20 broken n"],
        ),
    ]
}

fn enums() -> Vec<Case> {
    let n = |of: &str| [f("n", of)];
    vec![
        pair("a symbol is added", &n(SIZES), &n(SIZES_AND_HUGE), &["R11 broken n", "R12 note n"]),
        read(
            "a symbol is added that a reader does not know",
            &n(SIZES),
            &n(SIZES_AND_HUGE),
            &n(SIZES),
            &["R11 broken n", "R12 note n"],
        ),
        pair(
            "a symbol is added to an enum with a default that nobody reads",
            &n(SIZES_OR_SMALL),
            &n(HUGE_OR_SMALL),
            &["R11 risky n", "R12 note n"],
        ),
        read(
            "a symbol is added to an enum with a default that is read",
            &n(SIZES_OR_SMALL),
            &n(HUGE_OR_SMALL),
            &n(SIZES_OR_SMALL),
            &["R11 broken n", "R12 note n"],
        ),
        pair("a symbol is removed", &n(SIZES_AND_HUGE), &n(SIZES), &["R11 broken n", "R12 note n"]),
        pair("symbols change places", &n(SIZES), &n(TURNED), &["R12 note n", "R14 risky n"]),
        one("an enum is read", &n(SIZES), &n(SIZES), &["R12 note n"]),
        one("an enum is read with a symbol more", &n(SIZES), &n(SIZES_AND_HUGE), &["R12 note n"]),
        one(
            "an enum is read with a symbol less",
            &n(SIZES_AND_HUGE),
            &n(SIZES),
            &["R12 note n", "R20 broken n"],
        ),
        one(
            "an enum is read with a symbol less and a default",
            &n(SIZES_AND_HUGE),
            &n(SIZES_OR_SMALL),
            &["R12 note n", "R21 broken n"],
        ),
        one("an enum is read in another order", &n(SIZES), &n(TURNED), &["R12 note n"]),
    ]
}

fn names() -> Vec<Case> {
    let price = |of: &str| [f("price", of)];
    let within = |namespace: &str| {
        let mut money = crate::kit::kind(MONEY);
        money["namespace"] = json!(namespace);
        money.to_string()
    };
    let aliased = with(crate::kit::kind(PRICE), "aliases", json!(["Money"])).to_string();
    vec![
        pair("a record within is renamed", &price(MONEY), &price(PRICE), &["R15 broken price"]),
        pair(
            "a record within is renamed, with an alias",
            &price(MONEY),
            &price(&aliased),
            &["R15 broken price"],
        ),
        read(
            "a record within is renamed that is read",
            &price(MONEY),
            &price(PRICE),
            &price(MONEY),
            &["R15 broken price"],
        ),
        pair(
            "a record within a list is renamed",
            &price(&list(MONEY)),
            &price(&list(PRICE)),
            &["R15 broken price[]"],
        ),
        pair(
            "a record gets another namespace",
            &price(MONEY),
            &price(&within("farandole.money")),
            &["R15 risky price"],
        ),
        pair(
            "a record says the namespace that it has",
            &price(MONEY),
            &price(&within("farandole.shop")),
            &[],
        ),
        pair(
            "a record within a union is renamed",
            &price(&maybe(MONEY)),
            &price(&maybe(PRICE)),
            &["R16 broken price"],
        ),
        Case {
            name: "the event's record is renamed",
            versions: vec![
                thing(&[f("id", "string")]),
                thing(&[f("id", "string")]).replace("\"Thing\"", "\"Things\""),
            ],
            reader: None,
            expected: &["R15 broken", "R30 broken"],
        },
        pair(
            "a type is defined where it was referred to",
            &[f("a", MONEY), f("b", "Money")],
            &[f("b", MONEY), f("a", "Money")],
            &[],
        ),
        pair(
            "a type within itself",
            &[f(
                "next",
                &json!(["null", {"type": "record", "name": "Node", "fields": [
                {"name": "n", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}])
                .to_string(),
            )],
            &[f(
                "next",
                &json!(["null", {"type": "record", "name": "Node", "fields": [
                {"name": "n", "type": "long"}, {"name": "next", "type": ["null", "Node"]}]}])
                .to_string(),
            )],
            &["R05 broken next.n"],
        ),
    ]
}

fn meanings() -> Vec<Case> {
    let id = || f("id", "string");
    let words = |words: &[&str]| with(f("reason", "string"), "farandole.values", json!(words));
    let key = || doc(f("thing_id", "string"), "The thing; also the Kafka key.");
    vec![
        pair(
            "a doc changes",
            &[doc(id(), "The thing.")],
            &[doc(id(), "The thing, as the shop names it.")],
            &[],
        ),
        pair(
            "a doc changes its unit",
            &[doc(f("n", "long"), "Minor units, such as cents.")],
            &[doc(f("n", "long"), "Major units.")],
            &["R19 risky n"],
        ),
        pair("a field has no doc", &[doc(id(), "")], &[doc(id(), "")], &["R37 note id"]),
        pair("a word is added", &[words(&["a"])], &[words(&["a", "b"])], &["R13 note reason"]),
        pair("a word is removed", &[words(&["a", "b"])], &[words(&["a"])], &["R13 risky reason"]),
        pair(
            "a vocabulary is said for the first time",
            &[f("reason", "string")],
            &[words(&["a"])],
            &[],
        ),
        pair(
            "the field that is the key is removed",
            &[id(), key()],
            &[id()],
            &["R02 broken thing_id", "R32 broken thing_id"],
        ),
        pair(
            "an e-mail address is added that does not say that it is personal",
            &[id()],
            &[id(), d("email", "string", json!(""))],
            &["R36 broken email"],
        ),
        pair(
            "an e-mail address is added that says that it is personal",
            &[id()],
            &[id(), with(d("email", "string", json!("")), "farandole.personal", json!(true))],
            &[],
        ),
        pair(
            "an address is added within a record that says that it is personal",
            &[id()],
            &[
                id(),
                with(
                    d("recipient", &maybe(&line(&[f("street", "string")])), json!(null)),
                    "farandole.personal",
                    json!(true),
                ),
            ],
            &[],
        ),
    ]
}

fn readers() -> Vec<Case> {
    let id = || f("id", "string");
    let n = |of: &str| [f("n", of)];
    vec![
        one("nothing is read", &[id()], &[], &[]),
        one("a field is read that is not written", &[id()], &n("long"), &["R20 broken n"]),
        one(
            "a field with a default is read that is not written",
            &[id()],
            &[d("n", "long", json!(3))],
            &[],
        ),
        read(
            "a field is read that the first version has not",
            &[id()],
            &[id(), d("n", "long", json!(0))],
            &n("long"),
            &["R20 broken n"],
        ),
        read(
            "a field is read with another default than the writer's",
            &[id()],
            &[id(), d("n", "long", json!(0))],
            &[d("n", "long", json!(1))],
            &["R10 broken n"],
        ),
        one(
            "a field is read with another default that is never used",
            &[d("n", "long", json!(0))],
            &[d("n", "long", json!(1))],
            &[],
        ),
        one(
            "a field is read by an alias",
            &n("long"),
            &[with(f("number", "long"), "aliases", json!(["n"]))],
            &["R20 broken number"],
        ),
        one(
            "a field is read by an alias, with a default",
            &n("long"),
            &[with(d("number", "long", json!(0)), "aliases", json!(["n"]))],
            &["R20 broken number"],
        ),
        one(
            "a field has an alias that is not needed",
            &n("long"),
            &[with(f("n", "long"), "aliases", json!(["number"]))],
            &["R23 risky n"],
        ),
        one("an int is read as a long", &n("int"), &n("long"), &["R23 risky n"]),
        one("an int is read as a double", &n("int"), &n("double"), &["R23 risky n"]),
        one("a long is read as an int", &n("long"), &n("int"), &["R20 broken n"]),
        one(
            "a time is read as a number",
            &n(&logical("long", "timestamp-millis")),
            &n("long"),
            &["R20 broken n"],
        ),
        one(
            "microseconds are read as milliseconds",
            &n(&logical("long", "timestamp-micros")),
            &n(&logical("long", "timestamp-millis")),
            &["R20 broken n"],
        ),
        one("a text is read as a number", &n("string"), &n("long"), &["R20 broken n"]),
        one("a record is read under another name", &n(MONEY), &n(PRICE), &["R20 broken n"]),
        one(
            "a decimal is read with another scale",
            &n(&decimal(9, 2)),
            &n(&decimal(9, 3)),
            &["R20 broken n"],
        ),
        one(
            "a fixed is read with another size",
            &n(&fixed("Hash", 4)),
            &n(&fixed("Hash", 8)),
            &["R20 broken n"],
        ),
        one(
            "items are read within lists of maps",
            &n(&list(&map(&line(&[f("n", "int")])))),
            &n(&list(&map(&line(&[f("n", "int")])))),
            &[],
        ),
        one(
            "a field within a list is read that is not written",
            &n(&list(&line(&[]))),
            &n(&list(&line(&[f("weight", "int")]))),
            &["R20 broken n[].weight"],
        ),
    ]
}

#[test]
fn each_case_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for case in all() {
        let mut found = case.question().found(Rules::all());
        found.sort();
        if found != case.expected {
            wrong.push(format!(
                "{}\n   expected {:?}\n   found    {found:?}",
                case.name, case.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all().len(), wrong.join("\n"));
}

#[test]
fn no_two_cases_have_one_name() {
    let cases = all();
    let names: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 80);
}
