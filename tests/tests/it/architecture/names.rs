//! How things are called: one name for one thing, and the shared crates' own words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::files::{document, files, sources};

/// The crates that services of any kind are built on.
const KIT: [&str; 5] =
    ["shared/kernel", "shared/contracts", "shared/meter", "shared/kafka", "shared/messaging"];

/// Where the paths of ARCHITECTURE.md begin.
const MESSAGING: &str = "shared/messaging/src";

/// What a fleet that has other sagas than orders would not know.
const OF_ORDERS: [&str; 3] = ["order", "orders", "OrderId"];

/// The code of a source: without comments, strings and characters, and up to its tests.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text.split("#[cfg(test)]").next().unwrap_or_default();
    while let Some(character) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if character == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|next| {
                let ends = next == '"' && !escaped;
                escaped = next == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            code.push(character);
            character.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The types that a source defines for others.
fn types(text: &str) -> Vec<String> {
    let code = code(text);
    let defined = code.lines().filter_map(|line| {
        let line = line.trim_start();
        let of = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub "))?;
        let mut words = words(of);
        let is_type = matches!(words.next()?, "struct" | "enum" | "trait" | "type");
        is_type.then(|| words.next()).flatten().map(str::to_owned)
    });
    defined.collect()
}

/// The names that stand for several types, and where.
fn ambiguous(sources: &[(String, String)]) -> BTreeMap<String, Vec<&str>> {
    let mut defined: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (path, text) in sources.iter().filter(|(path, _)| path.starts_with("shared/")) {
        for name in types(text) {
            defined.entry(name).or_default().push(path);
        }
    }
    defined.retain(|_, paths| paths.len() > 1);
    defined
}

/// The sources of the kit that speak of orders.
fn of_orders(sources: &[(String, String)]) -> Vec<&str> {
    let kit = sources.iter().filter(|(path, _)| KIT.iter().any(|one| path.starts_with(one)));
    let speaks = |text: &str| words(&code(text)).any(|word| OF_ORDERS.contains(&word));
    kit.filter(|(_, text)| speaks(text)).map(|(path, _)| path.as_str()).collect()
}

#[test]
fn a_name_stands_for_one_type() {
    let sources = sources();
    let found = ambiguous(&sources);
    assert!(found.is_empty(), "give each of these a name of its own: {found:#?}");

    let planted = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let two = [
        planted("shared/kafka/src/a.rs", "pub struct Place<'a> {\n}\n// pub struct Other;"),
        planted("shared/messaging/src/b.rs", "pub(crate) enum Place {}\nconst A: &str = \"\\\"\";"),
        planted("services/order/src/c.rs", "pub struct Place;\npub struct Other;"),
    ];
    let found = ambiguous(&two);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["Place"]);
    assert_eq!(found["Place"].len(), 2);
}

#[test]
fn the_kit_knows_sagas_and_not_orders() {
    let sources = sources();
    let found = of_orders(&sources);
    assert!(found.is_empty(), "these are for any saga, and speak of orders: {found:#?}");

    let planted = |text: &str| vec![("shared/kafka/src/a.rs".to_owned(), text.to_owned())];
    let breaks = |text: &str| !of_orders(&planted(text)).is_empty();
    assert!(breaks("fn place(order: Uuid) {}"));
    assert!(breaks("use kernel::OrderId;"));
    assert!(!breaks("// in order\nfn reorder(a: Ordering) -> &str { \"order\" }"));
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension() == Some(extension.as_ref())
}

/// What a document names in backticks or as a path, and what is not there.
fn dangling(text: &str, sources: &[(String, String)], files: &BTreeSet<String>) -> Vec<String> {
    let in_code = |name: &str| sources.iter().any(|(_, text)| words(text).any(|word| word == name));
    let is_name = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let quoted = text.split('`').skip(1).step_by(2).filter(is_name);
    let missing = quoted.filter(|name| !in_code(name)).map(str::to_owned);
    let is_path =
        |word: &&str| word.contains('/') && Path::new(word).extension() == Some("rs".as_ref());
    let paths = text.split([' ', ',', '|', '\n']).filter(is_path);
    let is_there =
        |path: &str| files.contains(path) || files.contains(&format!("{MESSAGING}/{path}"));
    missing.chain(paths.filter(|path| !is_there(path)).map(str::to_owned)).collect()
}

/// The section of ARCHITECTURE.md with this title.
fn section(title: &str) -> String {
    let text = document("ARCHITECTURE.md");
    let section = text.split("\n## ").find(|section| section.starts_with(title));
    section.expect("the section is there").to_owned()
}

#[test]
fn what_the_glossary_and_the_list_of_patterns_name_is_there() {
    let sources = sources();
    let files: BTreeSet<String> =
        ["shared", "services", "tools", "tests"].into_iter().flat_map(files).collect();
    for text in [document("docs/glossary.md"), section("Patterns")] {
        assert_eq!(dangling(&text, &sources, &files), [""; 0]);
    }
    let planted = "| `SagaKey` | tables/outbox.rs | `Conductor` | tables/baton.rs |";
    assert_eq!(dangling(planted, &sources, &files), ["Conductor", "tables/baton.rs"]);
}

/// The tests that guarantees name and nobody has, and the audit's rules that no guarantee names or that
/// do not exist.
fn unfounded_guarantees(text: &str, tests: &[String], rules: &[&str]) -> Vec<String> {
    let quoted = || text.split('`').skip(1).step_by(2);
    let is_test = |name: &&str| name.matches('_').count() > 2 && !name.contains(char::is_uppercase);
    let is_tested = |name: &str| tests.iter().any(|text| text.contains(&format!("fn {name}()")));
    let untested = quoted().filter(is_test).filter(|name| !is_tested(name)).map(str::to_owned);
    let is_rule = |name: &&str| {
        name.strip_prefix('I').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let unknown = quoted().filter(is_rule).filter(|name| !rules.contains(name)).map(str::to_owned);
    let missing = rules.iter().filter(|rule| !quoted().any(|name| name == **rule));
    let missing = missing.map(|rule| (*rule).to_owned());
    untested.chain(unknown).chain(missing).collect()
}

#[test]
fn each_guarantee_has_its_tests_and_its_rules() {
    let paths = ["shared", "services", "tests"].into_iter().flat_map(files);
    let in_tests = paths.filter(|path| path.contains("/tests/") && has_extension(path, "rs"));
    let tests: Vec<String> = in_tests.map(|path| document(&path)).collect();
    let books = declarations::fleet().services().iter().flat_map(|service| &service.books);
    let rules: Vec<&str> = books.map(|book| book.name.as_str()).chain(["I7-effects"]).collect();
    let guarantees = document("docs/guarantees.md");
    assert_eq!(unfounded_guarantees(&guarantees, &tests, &rules), [""; 0]);

    let planted = guarantees.replace("`I1-stock`", "`I1-stocks`, `nothing_ever_goes_wrong`");
    let found = unfounded_guarantees(&planted, &tests, &rules);
    assert_eq!(found, ["nothing_ever_goes_wrong", "I1-stocks", "I1-stock"]);
}
