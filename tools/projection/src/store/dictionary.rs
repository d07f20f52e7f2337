//! Facts and ways by their numbers in the database, and orders as rows.

use std::collections::HashMap;

use choreography::{Fact, Facts};
use kernel::Money;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::order::{Order, Step};

/// How many bytes a step takes.
const STEP: usize = 1 + 2 + 8 + 4 + 8;

/// What the numbers stand for.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// By number; `None` of one that the fleet does not have any more.
    facts: Vec<Option<Fact>>,
    numbers: HashMap<Fact, u8>,
    ways: HashMap<i32, Facts>,
    ways_by_facts: HashMap<Facts, i32>,
}

/// A row as it is asked for: id, reason, total, currency, steps.
pub(super) type OrderRow = (Uuid, Option<String>, Option<i64>, Option<String>, Vec<u8>);

/// The amount of a row.
pub(super) fn money(amount: Option<i64>, currency: Option<String>) -> Option<Money> {
    Some(Money { amount: amount?, currency: currency?.parse().ok()? })
}

/// The numbers of the facts that a row tells of.
pub(super) fn facts_of(row: &OrderRow) -> Vec<i16> {
    row.4.chunks(STEP).filter_map(|step| step.first().copied().map(i16::from)).collect()
}

impl Dictionary {
    /// What is in the database.
    pub(super) async fn read(database: &mut PgConnection) -> Result<Self, Error> {
        let mut dictionary = Self::default();
        let names: Vec<String> = sqlx::query_scalar("SELECT name FROM facts ORDER BY number")
            .fetch_all(&mut *database)
            .await?;
        for name in names {
            dictionary.add_fact(Fact::named(&name));
        }
        let ways: Vec<(i32, Vec<i16>)> =
            sqlx::query_as("SELECT number, facts FROM ways").fetch_all(database).await?;
        for (number, facts) in ways {
            let facts = facts.into_iter().filter_map(|number| dictionary.fact(number)).collect();
            dictionary.add_way(number, facts);
        }
        Ok(dictionary)
    }

    fn add_fact(&mut self, fact: Option<Fact>) {
        if let (Some(fact), Ok(number)) = (fact, u8::try_from(self.facts.len())) {
            self.numbers.insert(fact, number);
        }
        self.facts.push(fact);
    }

    fn add_way(&mut self, number: i32, facts: Facts) {
        self.ways.insert(number, facts);
        self.ways_by_facts.insert(facts, number);
    }

    pub(super) fn fact(&self, number: impl TryInto<usize>) -> Option<Fact> {
        self.facts.get(number.try_into().ok()?).copied().flatten()
    }

    /// Whether it is known what a fact's number stands for, which may be one that the fleet has no more.
    pub(super) fn has_fact(&self, number: i16) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.facts.len())
    }

    /// The number of a fact that was learned.
    pub(super) fn number(&self, fact: Fact) -> Option<u8> {
        self.numbers.get(&fact).copied()
    }

    pub(super) fn way(&self, number: i32) -> Option<Facts> {
        self.ways.get(&number).copied()
    }

    pub(super) fn way_of(&self, facts: Facts) -> Option<i32> {
        self.ways_by_facts.get(&facts).copied()
    }

    /// All ways that there are.
    pub(super) fn ways(&self) -> impl Iterator<Item = (i32, Facts)> {
        self.ways.iter().map(|(number, facts)| (*number, *facts))
    }

    /// Gives numbers to what has none, in the database as well.
    pub(super) async fn learn(
        &mut self,
        database: &mut PgConnection,
        sets: impl Iterator<Item = Facts>,
    ) -> Result<(), Error> {
        for set in sets {
            if self.ways_by_facts.contains_key(&set) {
                continue;
            }
            for fact in
                set.iter().filter(|fact| !self.numbers.contains_key(fact)).collect::<Vec<_>>()
            {
                let number = i16::try_from(self.facts.len())
                    .map_err(|_| Error::Damaged("there are too many facts".to_owned()))?;
                sqlx::query("INSERT INTO facts VALUES ($1, $2)")
                    .bind(number)
                    .bind(fact.name())
                    .execute(&mut *database)
                    .await?;
                self.add_fact(Some(fact));
            }
            let numbers: Vec<i16> =
                set.iter().filter_map(|fact| self.number(fact)).map(i16::from).collect();
            let number: i32 = sqlx::query_scalar(
                "INSERT INTO ways SELECT coalesce(max(number), 0) + 1, $1 FROM ways
                 ON CONFLICT (facts) DO UPDATE SET facts = excluded.facts RETURNING number",
            )
            .bind(numbers)
            .fetch_one(&mut *database)
            .await?;
            self.add_way(number, set);
        }
        Ok(())
    }

    /// The bytes of an order's steps.
    pub(super) fn encode(&self, order: &Order) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(order.steps.len() * STEP);
        for Step { fact, sequence, at, partition, offset } in &order.steps {
            let Some(number) = self.number(*fact) else { continue };
            bytes.push(number);
            bytes.extend(sequence.to_be_bytes());
            bytes.extend(at.to_be_bytes());
            bytes.extend(partition.to_be_bytes());
            bytes.extend(offset.to_be_bytes());
        }
        bytes
    }

    /// The order that a row is of. Facts that the fleet does not have any more are left out.
    pub(super) fn decode(&self, row: OrderRow) -> Result<Order, Error> {
        let (id, reason, total, currency, bytes) = row;
        let damaged = || Error::Damaged(format!("the steps of order {id}"));
        if bytes.len() % STEP != 0 {
            return Err(damaged());
        }
        let mut steps = Vec::with_capacity(bytes.len() / STEP);
        for step in bytes.chunks_exact(STEP) {
            let (number, rest) = step.split_first().ok_or_else(damaged)?;
            let (sequence, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
            let (at, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
            let (partition, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
            let (offset, _) = rest.split_first_chunk().ok_or_else(damaged)?;
            let Some(fact) = self.fact(*number) else { continue };
            steps.push(Step {
                fact,
                sequence: u16::from_be_bytes(*sequence),
                at: i64::from_be_bytes(*at),
                partition: i32::from_be_bytes(*partition),
                offset: i64::from_be_bytes(*offset),
            });
        }
        Ok(Order { id, steps, total: money(total, currency), reason })
    }
}
