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

/// The tests that a document names and nobody has. Four words and more are a test's name, but for those that
/// begin as metrics or what is Postgres' own.
fn untested(text: &str, tests: &[String]) -> Vec<String> {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let is_others =
        |name: &str| ["farandole_", "process_", "pg_"].iter().any(|it| name.starts_with(it));
    let is_test = |name: &&str| {
        name.matches('_').count() > 2 && name.split('_').all(is_word) && !is_others(name)
    };
    let is_there = |name: &str| tests.iter().any(|text| text.contains(&format!("fn {name}()")));
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(is_test).filter(|name| !is_there(name)).map(str::to_owned).collect()
}

#[test]
fn each_test_that_the_documents_name_is_there() {
    let paths = ["shared", "services", "tools", "tests"].into_iter().flat_map(files);
    let tests: Vec<String> =
        paths.filter(|path| has_extension(path, "rs")).map(|path| document(&path)).collect();
    let documents = files("docs").into_iter().filter(|path| has_extension(path, "md"));
    let found = documents.map(|path| (untested(&document(&path), &tests), path));
    let found: Vec<_> = found.filter(|(names, _)| !names.is_empty()).collect();
    assert!(found.is_empty(), "these documents name tests that are not there: {found:#?}");

    let planted = "`farandole_batch_duration_seconds`, `nothing_ever_goes_wrong`, `of(a_b_c_d)`, \
                   `each_test_that_the_documents_name_is_there`";
    assert_eq!(untested(planted, &tests), ["nothing_ever_goes_wrong"]);
}

/// The audit's rules that no guarantee names, and those that guarantees name and that do not exist.
fn unfounded_guarantees(text: &str, rules: &[&str]) -> Vec<String> {
    let quoted = || text.split('`').skip(1).step_by(2);
    let is_rule = |name: &&str| {
        name.strip_prefix('I').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let unknown = quoted().filter(is_rule).filter(|name| !rules.contains(name)).map(str::to_owned);
    let missing = rules.iter().filter(|rule| !quoted().any(|name| name == **rule));
    let missing = missing.map(|rule| (*rule).to_owned());
    unknown.chain(missing).collect()
}

#[test]
fn each_guarantee_has_its_rules() {
    let books = declarations::fleet().services().iter().flat_map(|service| &service.books);
    let rules: Vec<&str> = books.map(|book| book.name.as_str()).chain(["I7-effects"]).collect();
    let guarantees = document("docs/guarantees.md");
    assert_eq!(unfounded_guarantees(&guarantees, &rules), [""; 0]);

    let planted = guarantees.replace("`I1-stock`", "`I1-stocks`");
    assert_eq!(unfounded_guarantees(&planted, &rules), ["I1-stocks", "I1-stock"]);
}
