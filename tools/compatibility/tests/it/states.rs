//! Cases with more than versions and a reader: declarations, the list of released files, another state,
//! the registry, what runs, and what is accepted.

use std::fmt::Write as _;

use compatibility::{Before, Contracts, Rules, Subject, Tree};
use contracts::Declared;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kit::{Question, d, f, files, short, thing, with};

/// Questions with what is to be found.
pub(crate) struct State {
    pub(crate) name: &'static str,
    pub(crate) question: Question,
    pub(crate) expected: &'static [&'static str],
}

type Files = Vec<(String, String)>;

fn declaration(of: &Value) -> (String, String) {
    let service = of["service"].as_str().unwrap();
    (format!("services/{service}/declaration.json"), of.to_string())
}

fn shop() -> Value {
    json!({"service": "shop", "owner": "shop team", "consumes": [], "emits": [{"event": "Thing"}]})
}

fn desk() -> Value {
    json!({"service": "desk", "owner": "desk team", "emits": [],
        "consumes": [{"event": "Thing", "from": "shop"}]})
}

fn id() -> Value {
    f("id", "string")
}

/// One version, which the desk reads, with the declarations of both.
fn fleet() -> Files {
    let mut all = files(&[thing(&[id()])], Some(&thing(&[id()])));
    all.extend([declaration(&shop()), declaration(&desk())]);
    all
}

fn now(name: &'static str, now: Files, expected: &'static [&'static str]) -> State {
    State { name, question: Question { now, before: None, more: |_| {} }, expected }
}

fn after(
    name: &'static str,
    before: Files,
    now: Files,
    expected: &'static [&'static str],
) -> State {
    State { name, question: Question { now, before: Some(before), more: |_| {} }, expected }
}

fn more(name: &'static str, more: fn(&mut Contracts), expected: &'static [&'static str]) -> State {
    State { name, question: Question { now: fleet(), before: None, more }, expected }
}

fn with_file(mut all: Files, file: &str, text: &str) -> Files {
    all.push((file.to_owned(), text.to_owned()));
    all
}

fn without(mut all: Files, part: &str) -> Files {
    all.retain(|(file, _)| !file.contains(part));
    all
}

fn sum(text: &str) -> String {
    let hex = |mut hex: String, byte: &u8| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    };
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), hex)
}

/// A list of released files that has these texts for them.
fn listed(all: &[(&str, &str)]) -> String {
    let sums = all.iter().map(|(file, text)| ((*file).to_owned(), json!(sum(text))));
    Value::Object(sums.collect()).to_string()
}

fn accepted(until: &str, path: &str) -> String {
    format!(
        "[[accepted]]\nrule = \"R03\"\npath = \"{path}\"\nreason = \"nobody is left\"\nuntil = \"{until}\"\n"
    )
}

/// A field with a default is removed that the desk reads.
fn breaking() -> Files {
    let total = || d("total", "long", json!(0));
    files(&[thing(&[id(), total()]), thing(&[id()])], Some(&thing(&[total()])))
}

fn running(declared: Value) -> Declared {
    serde_json::from_value(declared).unwrap()
}

/// All of them.
pub(crate) fn all() -> Vec<State> {
    let mut all = declared();
    all.extend(released());
    all.extend(compared());
    all.extend(elsewhere());
    all.extend(excused());
    all
}

fn declared() -> Vec<State> {
    let desk_with = |name: &str, value: Value| {
        let all = without(fleet(), "desk/declaration");
        let mut all = all;
        all.push(declaration(&with(desk(), name, value)));
        all
    };
    let two = |money: &str| {
        let money = json!({"type": "record", "name": "Money", "fields": [
            {"name": "amount", "type": "long", "doc": "Minor units."},
            {"name": money, "type": "string", "doc": "The currency."}]});
        let other = json!({"type": "record", "name": "Other", "namespace": "farandole.shop",
            "fields": [{"name": "price", "type": money, "doc": "Its price."}]});
        let own = r#"{"type":"record","name":"Money","fields":[
            {"name":"amount","type":"long","doc":"Minor units."},
            {"name":"currency","type":"string","doc":"The currency."}]}"#;
        let all = files(&[thing(&[f("price", own)])], None);
        with_file(all, "schemas/shop/Other.v1.avsc", &other.to_string())
    };
    vec![
        now("a whole fleet", fleet(), &[]),
        now(
            "a service has no files, and declares all",
            {
                let schema =
                    |fields: &[Value]| serde_json::from_str::<Value>(&thing(fields)).unwrap();
                let emits = json!([{"event": "Thing", "version": 1, "schema": schema(&[id()])}]);
                let consumes =
                    json!([{"event": "Thing", "from": "shop", "schema": schema(&[id()])}]);
                vec![
                    declaration(&with(shop(), "emits", emits)),
                    declaration(&with(desk(), "consumes", consumes)),
                ]
            },
            &[],
        ),
        now(
            "a service has no files, and declares that it reads what is not written",
            {
                let schema =
                    |fields: &[Value]| serde_json::from_str::<Value>(&thing(fields)).unwrap();
                let emits = json!([{"event": "Thing", "version": 1, "schema": schema(&[id()])}]);
                let reads = schema(&[f("n", "long")]);
                let consumes = json!([{"event": "Thing", "from": "shop", "schema": reads}]);
                vec![
                    declaration(&with(shop(), "emits", emits)),
                    declaration(&with(desk(), "consumes", consumes)),
                ]
            },
            &["R20 broken n"],
        ),
        now("a service has no owner", desk_with("owner", json!("")), &["R37 note desk"]),
        now(
            "an event is read that its service does not emit",
            desk_with("consumes", json!([{"event": "Other", "from": "shop"}])),
            &["R33 broken desk reads shop/Other"],
        ),
        now(
            "an event leads to another's",
            desk_with(
                "consumes",
                json!([{"event": "Thing", "from": "shop", "leads_to": ["Thing"]}]),
            ),
            &["R33 broken"],
        ),
        now(
            "an event of another is undone",
            desk_with("compensates", json!([{"event": "Thing", "undoes": "Thing"}])),
            &["R33 broken desk undoes Thing by Thing"],
        ),
        now(
            "an event is emitted that has no schema",
            desk_with("emits", json!([{"event": "Done"}])),
            &["R33 broken desk/Done"],
        ),
        now(
            "an event is read that has no schema",
            with_file(
                fleet(),
                "services/desk/reads/Other.avsc",
                &thing(&[]).replace("Thing", "Other"),
            ),
            &["R33 broken desk reads shop/Other"],
        ),
        now("two events have one type", two("currency"), &[]),
        now("two events have two types of one name", two("code"), &["R19 risky"]),
    ]
}

fn released() -> Vec<State> {
    let text = thing(&[id()]);
    let list = |of: &str| listed(&[("schemas/shop/Thing.v1.avsc", of)]);
    let skipped = || {
        let all = without(fleet(), "Thing.v1");
        with_file(all, "schemas/shop/Thing.v2.avsc", &thing(&[id()]))
    };
    vec![
        now(
            "a released file is as it was",
            with_file(fleet(), "schemas/released.json", &list(&text)),
            &[],
        ),
        now(
            "a released file is edited",
            with_file(fleet(), "schemas/released.json", &list("{}")),
            &["R30 broken"],
        ),
        now(
            "a released file is gone",
            with_file(
                fleet(),
                "schemas/released.json",
                &listed(&[
                    ("schemas/shop/Thing.v1.avsc", &text),
                    ("schemas/shop/Thing.v2.avsc", "{}"),
                ]),
            ),
            &["R30 broken"],
        ),
        now(
            "a released event is gone that nobody reads",
            with_file(
                fleet(),
                "schemas/released.json",
                &listed(&[
                    ("schemas/shop/Thing.v1.avsc", &text),
                    ("schemas/shop/Gone.v1.avsc", "{}"),
                ]),
            ),
            &["R30 broken shop/Gone.v1", "R31 risky shop/Gone"],
        ),
        now("a version is skipped", skipped(), &["R30 broken"]),
        now(
            "personal data is in a first version that is not released",
            with_file(
                files(&[thing(&[id(), f("email", "string")])], None),
                "schemas/released.json",
                "{}",
            ),
            &["R36 broken email"],
        ),
    ]
}

fn compared() -> Vec<State> {
    let reads = |fields: &[Value]| {
        let mut all = files(&[thing(&[id(), d("n", "long", json!(0))])], Some(&thing(fields)));
        all.extend([declaration(&shop()), declaration(&desk())]);
        all
    };
    let personal = |fields: &[Value]| {
        let email = with(f("email", "string"), "farandole.personal", json!(true));
        let mut all = files(&[thing(&[id(), email])], Some(&thing(fields)));
        all.extend([declaration(&shop()), declaration(&desk())]);
        all
    };
    let edited = || {
        let n = d("n", "long", json!(1));
        let mut all = files(&[thing(&[id(), n])], Some(&thing(&[id(), f("n", "long")])));
        all.extend([declaration(&shop()), declaration(&desk())]);
        all
    };
    let moved = || {
        let text = thing(&[id()]).replace("farandole.shop", "farandole.desk");
        let mut all = files(&[], None);
        all.push(("schemas/desk/Thing.v1.avsc".to_owned(), text));
        all
    };
    vec![
        after("nothing has changed", fleet(), fleet(), &[]),
        after(
            "a version is added",
            fleet(),
            with_file(
                fleet(),
                "schemas/shop/Thing.v2.avsc",
                &thing(&[id(), d("n", "long", json!(0))]),
            ),
            &[],
        ),
        after(
            "a default is edited in place",
            reads(&[id(), f("n", "long")]),
            edited(),
            &["R10 broken n", "R30 broken"],
        ),
        after(
            "an event is gone that is read",
            fleet(),
            without(fleet(), "schemas/shop"),
            &["R30 broken", "R31 broken shop/Thing", "R33 broken", "R33 broken shop/Thing"],
        ),
        after(
            "an event is another service's now",
            files(&[thing(&[id()])], None),
            moved(),
            &["R30 broken", "R31 risky shop/Thing", "R32 broken shop/Thing"],
        ),
        after("nobody reads a field", reads(&[id()]), reads(&[id()]), &["R34 note"]),
        after("nobody reads a field any more", reads(&[id(), f("n", "long")]), reads(&[id()]), &[]),
        after(
            "nobody reads an event",
            files(&[thing(&[id()])], None),
            files(&[thing(&[id()])], None),
            &["R34 risky shop/Thing"],
        ),
        after(
            "a service reads personal data that it did not read",
            personal(&[id()]),
            personal(&[id(), f("email", "string")]),
            &["R36 risky email"],
        ),
        after(
            "a service reads the personal data that it read before",
            personal(&[id(), f("email", "string")]),
            personal(&[id(), f("email", "string")]),
            &[],
        ),
    ]
}

fn elsewhere() -> Vec<State> {
    vec![
        more(
            "the registry guards a subject",
            |it| it.subjects = vec![subject("FULL_TRANSITIVE", &[])],
            &[],
        ),
        more(
            "the registry does not guard a subject",
            |it| it.subjects = vec![subject("BACKWARD", &[])],
            &["R35 broken shop/Thing"],
        ),
        more(
            "a version is deleted in the registry",
            |it| it.subjects = vec![subject("FULL_TRANSITIVE", &[2])],
            &["R35 broken shop/Thing"],
        ),
        more(
            "the registry has another text",
            |it| it.before = Some(registered(&thing(&[d("id", "string", json!("x"))]))),
            &["R30 broken"],
        ),
        more(
            "the registry has the same, formatted otherwise",
            |it| {
                let json: Value = serde_json::from_str(&thing(&[id()])).unwrap();
                it.before = Some(registered(&json.to_string()));
            },
            &[],
        ),
        more(
            "a running reader reads what is not written",
            |it| {
                let schema: Value = serde_json::from_str(&thing(&[f("n", "long")])).unwrap();
                it.running = vec![running(
                    json!({"service": "desk", "instance": "a", "version": "1",
                    "emits": [], "consumes": [{"event": "Thing", "from": "shop", "schema": schema}]}),
                )];
            },
            &["R20 broken desk (1, a) reads shop/Thing.n"],
        ),
        more(
            "a running writer writes another schema than the file",
            |it| {
                let schema: Value = serde_json::from_str(&thing(&[f("n", "long")])).unwrap();
                it.running = vec![running(json!({"service": "shop", "consumes": [],
                    "emits": [{"event": "Thing", "version": 1, "schema": schema}]}))];
            },
            &["R30 broken"],
        ),
        more(
            "a running writer writes a version that has no file",
            |it| {
                let schema: Value = serde_json::from_str(&thing(&[id()])).unwrap();
                it.running = vec![running(json!({"service": "shop", "consumes": [],
                    "emits": [{"event": "Thing", "version": 2, "schema": schema}]}))];
            },
            &["R30 broken"],
        ),
        more(
            "what runs is what the files say",
            |it| {
                let schema: Value = serde_json::from_str(&thing(&[id()])).unwrap();
                it.running = vec![running(json!({"service": "shop", "consumes": [],
                    "emits": [{"event": "Thing", "version": 1, "schema": schema}]}))];
            },
            &[],
        ),
    ]
}

fn subject(compatibility: &str, deleted: &[u32]) -> Subject {
    Subject {
        service: "shop".to_owned(),
        event: "Thing".to_owned(),
        compatibility: compatibility.to_owned(),
        deleted: deleted.to_vec(),
    }
}

fn registered(text: &str) -> Before {
    let mut tree = Tree::default();
    tree.add_writer("shop", "Thing", 1, text);
    Before { of: "the registry".to_owned(), tree, has_readers: false }
}

fn excused() -> Vec<State> {
    let file = "contracts/accepted.toml";
    let path = "shop/Thing.v2.total";
    vec![
        now(
            "what is broken is accepted",
            with_file(breaking(), file, &accepted("2026-11-30", path)),
            &["R03 note total"],
        ),
        now(
            "what was accepted has expired",
            with_file(breaking(), file, &accepted("2026-11-29", path)),
            &["R03 broken total", "R40 broken contracts/accepted.toml: R03 shop/Thing.v2.total"],
        ),
        now(
            "what was accepted is not there any more",
            with_file(fleet(), file, &accepted("2027-01-31", path)),
            &["R40 note contracts/accepted.toml: R03 shop/Thing.v2.total"],
        ),
    ]
}

#[test]
fn each_state_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for State { name, question, expected } in all() {
        let mut found = question.found(Rules::all());
        found.sort();
        if found != expected {
            wrong.push(format!("{name}\n   expected {expected:?}\n   found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_no_tree_is_refused_with_the_file() {
    for (file, text) in [
        ("schemas/shop/Thing.avsc", "{}"),
        ("schemas/shop/Thing.v0.avsc", "{}"),
        ("schemas/released.json", "[]"),
        ("contracts/accepted.toml", "[[accepted]]\nrule = \"R03\"\n"),
        (
            "contracts/accepted.toml",
            "[[accepted]]\nrule = \"R03\"\npath = \"\"\nreason = \"\"\nuntil = \"soon\"",
        ),
        ("services/desk/declaration.json", "{}"),
    ] {
        let error = Tree::of_files(vec![(file.to_owned(), text.to_owned())]).unwrap_err();
        assert!(error.to_string().starts_with(file), "{error}");
    }
}

#[test]
fn what_is_printed_to_accept_a_finding_accepts_it() {
    let question = Question { now: breaking(), before: None, more: |_| {} };
    let report = question.report(Rules::all());
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    let text = finding.acceptance().replace("until = \"\"", "until = \"2027-01-31\"");
    let now = with_file(breaking(), "contracts/accepted.toml", &text);
    let report = Question { now, before: None, more: |_| {} }.report(Rules::all());
    assert!(!report.is_broken());
    assert_eq!(report.findings.iter().map(short).collect::<Vec<_>>(), ["R03 note total"]);
}

#[test]
fn releasing_adds_what_is_new_and_changes_nothing() {
    let old = listed(&[("schemas/shop/Thing.v1.avsc", "edited since")]);
    let all = with_file(fleet(), "schemas/released.json", &old);
    let all = with_file(all, "schemas/shop/Thing.v2.avsc", "{}");
    let (released, new) = Tree::of_files(all).unwrap().release();
    assert_eq!(new, ["schemas/shop/Thing.v2.avsc"]);
    assert_eq!(released["schemas/shop/Thing.v1.avsc"], sum("edited since"));
    assert_eq!(released["schemas/shop/Thing.v2.avsc"], sum("{}"));
}
