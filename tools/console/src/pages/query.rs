//! Which orders are asked for: all of it stands in the address.

use projection::Asked;
use serde::Deserialize;
use uuid::Uuid;

/// What an address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    /// Those whose move is this service's.
    #[serde(rename = "move")]
    pub(crate) service: Option<String>,
    /// Those that have ended like this.
    pub(crate) end: Option<String>,
    /// For this reason.
    pub(crate) reason: Option<String>,
    /// Those that went this way.
    pub(crate) way: Option<i32>,
    /// `open` or `late`.
    pub(crate) only: Option<String>,
    /// Those after this one in the list.
    pub(crate) after: Option<Uuid>,
    /// The newest that are listed, whatever came since.
    pub(crate) upto: Option<Uuid>,
}

impl Query {
    /// Of an address; what cannot be read of it asks for nothing.
    pub(crate) fn of(address: &str) -> Self {
        let query = address.split_once('?').map_or("", |(_, query)| query);
        serde_urlencoded::from_str(query).unwrap_or_default()
    }

    /// As it stands in an address.
    pub(crate) fn address(&self) -> String {
        let text = |name: &'static str, value: &Option<String>| Some((name, value.clone()?));
        let pairs = [
            text("move", &self.service),
            text("end", &self.end),
            text("reason", &self.reason),
            text("way", &self.way.map(|way| way.to_string())),
            text("only", &self.only),
            text("after", &self.after.map(|id| id.to_string())),
            text("upto", &self.upto.map(|id| id.to_string())),
        ];
        let pairs: Vec<(&str, String)> = pairs.into_iter().flatten().collect();
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        if query.is_empty() { "/orders".to_owned() } else { format!("/orders?{query}") }
    }

    /// What it asks for, in words, each with the address that does not ask for it.
    pub(crate) fn chips(&self) -> Vec<(String, String)> {
        let mut chips = Vec::new();
        let first = || Self { after: None, upto: None, ..self.clone() };
        if let Some(service) = &self.service {
            let without = Self { service: None, ..first() };
            chips.push((format!("{service}’s move"), without.address()));
        }
        if let Some(end) = &self.end {
            chips.push((end.clone(), Self { end: None, ..first() }.address()));
        }
        if let Some(reason) = &self.reason {
            let without = Self { reason: None, ..first() };
            chips.push((reason.replace('_', " "), without.address()));
        }
        if let Some(way) = self.way {
            chips.push((format!("way {way}"), Self { way: None, ..first() }.address()));
        }
        if let Some(only) = &self.only {
            let words = if only == "late" { "late" } else { "under way" };
            chips.push((words.to_owned(), Self { only: None, ..first() }.address()));
        }
        chips
    }

    /// Which orders that are.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            service: self.service.clone(),
            end: self.end.clone(),
            reason: self.reason.clone(),
            way: self.way,
            is_open: self.only.is_some(),
            is_late: self.only.as_deref() == Some("late"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_all_of_it() {
        for address in [
            "/orders",
            "/orders?move=payment&only=late",
            "/orders?end=cancelled&reason=out_of_stock&way=7",
            "/orders?after=019b76da-a800-7000-8000-000000000001&upto=019b76da-a800-7000-8000-000000000009",
        ] {
            assert_eq!(Query::of(address).address(), address);
        }
        assert_eq!(Query::of("/orders?way=seven").address(), "/orders");
        let odd = Query::of("/orders?reason=%3Cb%3E%26x");
        assert_eq!(odd.address(), "/orders?reason=%3Cb%3E%26x");
        assert_eq!(odd.chips(), [("<b>&x".to_owned(), "/orders".to_owned())]);
    }

    #[test]
    fn ways_are_chosen_by_what_they_mean() {
        use choreography::Fact;
        use projection::Way;
        let way = |number, names: &[&str]| Way {
            number,
            said: names.iter().map(|name| Fact::named(name).unwrap()).collect(),
        };
        let ways = [
            way(1, &["OrderPlaced"]),
            way(2, &["OrderPlaced", "StockReserved"]),
            way(3, &["OrderPlaced", "StockReservationFailed", "OrderCancelled"]),
        ];
        let chosen = |query: &str| Query::of(query).asked().filter(&ways, None).ways;
        assert_eq!(chosen("/orders"), None);
        assert_eq!(chosen("/orders?move=payment"), Some(vec![2]));
        assert_eq!(chosen("/orders?move=inventory"), Some(vec![1]));
        assert_eq!(chosen("/orders?end=cancelled"), Some(vec![3]));
        assert_eq!(chosen("/orders?way=2&move=inventory"), Some(vec![]));
    }
}
