//! Types of one name in several events.

use super::{Contracts, Found};
use crate::alone::unlike;
use crate::draft::{Draft, Grade};
use crate::path::Path;
use crate::rule::Rule;
use crate::tree::Writer;

pub(super) fn check(contracts: &Contracts, found: &mut Found<'_>) {
    let newest: Vec<&Writer> = contracts.tree.by_event().filter_map(<[Writer]>::last).collect();
    for (at, one) in newest.iter().enumerate() {
        for other in newest[..at].iter().filter(|other| other.service == one.service) {
            let (Ok(schema), Ok(twin)) = (&one.schema, &other.schema) else { continue };
            for (name, how) in unlike(twin, schema) {
                let of = schema.all_named().find(|named| named.name == name);
                let pointer = of.map_or("", |named| named.of.at.as_str());
                let what = format!("{name} {how}, in {}", other.path(&""));
                let draft = Draft::new(Rule::R19, Grade::Risky, &Path::default(), pointer, what);
                let why =
                    "one name stands for two types: who makes code of schemas gets one of them";
                found.about_writer(draft.because(why), one, &[]);
            }
        }
    }
}
