use super::statement::{Columns, Found, Placeholder, Read, Write};
use crate::failure::Failure;

/// How many columns a [`Read`] has for numbers; what is more than that is read as JSON.
const NUMBERS: usize = 3;

/// A table of counters: a row per key, with a number in each of `N` columns.
///
/// It has the columns `<key> text PRIMARY KEY` and, of each name, `<column> bigint NOT NULL`. It may
/// have more, and if the table is [upserting](Self::upserting) those have defaults. The rows change
/// often and their keys do not: a `fillfactor` of 50 leaves room for that.
#[derive(Debug, Clone, Copy)]
pub struct CounterTable<const N: usize> {
    name: &'static str,
    key: &'static str,
    columns: [&'static str; N],
    non_negative: [bool; N],
    upserting: bool,
}

impl<const N: usize> CounterTable<N> {
    /// The table with this name, its key's column, and those that count.
    pub const fn new(name: &'static str, key: &'static str, columns: [&'static str; N]) -> Self {
        assert!(N > 0, "nothing is counted");
        Self { name, key, columns, non_negative: [false; N], upserting: false }
    }

    /// In these columns no number falls below zero: what would make one do so is not written, and
    /// nothing else of the batch either. It is a [`Failure::Conflict`], after which everything is
    /// read and decided on again; if it stays one, the message is at fault.
    ///
    /// # Panics
    ///
    /// If there is no such column; where the table is a constant, while it is compiled.
    #[must_use]
    pub const fn non_negative(mut self, columns: &[&str]) -> Self {
        let mut at = 0;
        while at < columns.len() {
            self.non_negative[self.position(columns[at])] = true;
            at += 1;
        }
        self
    }

    /// A key that is not there counts as one with zeros, and its row is inserted when it changes.
    /// Without this, a change of it is a [`Failure::Conflict`].
    ///
    /// The table then has no CHECK that its numbers are not negative. Postgres holds against it what
    /// would be inserted, which is the change alone, before it sees that the row is there: what is
    /// taken from it would be refused, however much it has. [`non_negative`](Self::non_negative)
    /// takes the place of the CHECK.
    #[must_use]
    pub const fn upserting(mut self) -> Self {
        self.upserting = true;
        self
    }

    const fn position(&self, column: &str) -> usize {
        let mut at = 0;
        while at < N {
            if is_same(self.columns[at], column) {
                return at;
            }
            at += 1;
        }
        panic!("there is no such column")
    }

    /// Whether keys that are not there count as zeros.
    pub(crate) fn is_upserting(&self) -> bool {
        self.upserting
    }

    /// The numbers with this change.
    pub(crate) fn sum(&self, mut numbers: [i64; N], change: [i64; N]) -> Result<[i64; N], Failure> {
        for (at, number) in numbers.iter_mut().enumerate() {
            let sum = number.checked_add(change[at]);
            *number = sum.ok_or_else(|| self.refusal(at, "be too large"))?;
        }
        Ok(numbers)
    }

    /// These numbers, if none is below zero that must not be.
    pub(crate) fn checked(&self, numbers: [i64; N]) -> Result<[i64; N], Failure> {
        match self.guarded().find(|at| numbers[*at] < 0) {
            Some(at) => Err(self.refusal(at, "fall below zero")),
            None => Ok(numbers),
        }
    }

    /// Without the key, which may be personal data.
    fn refusal(&self, at: usize, would: &str) -> Failure {
        Failure::Poison(format!("{}.{} would {would}", self.name, self.columns[at]))
    }

    /// Has the rows with these keys read. Returns the part.
    pub(crate) fn read(&self, keys: Vec<&str>, read: &mut Read) -> Result<usize, Failure> {
        let keys = read.bind(keys)?;
        let mut columns = Columns { text: self.key, ..Columns::default() };
        for (number, column) in columns.numbers.iter_mut().zip(self.columns) {
            *number = column;
        }
        let rest = match self.columns.get(NUMBERS..) {
            None | Some([]) => String::new(),
            Some(rest) => format!("json_build_array({})", rest.join(", ")),
        };
        columns.json[0] = &rest;
        Ok(read.part(columns, &format!("FROM {} WHERE {} = ANY({keys})", self.name, self.key)))
    }

    /// The key and the numbers that were found.
    pub(crate) fn row(found: &Found) -> Result<(&str, [i64; N]), Failure> {
        let rest: Vec<i64> = if N > NUMBERS { found.json(0)? } else { Vec::new() };
        let mut numbers = [0; N];
        for (at, number) in numbers.iter_mut().take(NUMBERS).enumerate() {
            *number = found.number(at)?;
        }
        for (number, found) in numbers.iter_mut().skip(NUMBERS).zip(rest) {
            *number = found;
        }
        Ok((found.text()?, numbers))
    }

    /// Has these changes added, of keys that are sorted, each there once: one part, however many they
    /// are. Rows are locked in the order of their keys by everybody.
    pub(crate) fn write(
        &self,
        changes: &[(&str, [i64; N])],
        write: &mut Write,
    ) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let keys = write.bind(changes.iter().map(|(key, _)| *key).collect::<Vec<&str>>())?;
        let mut values = Vec::with_capacity(N);
        for at in 0..N {
            let column: Vec<i64> = changes.iter().map(|(_, change)| change[at]).collect();
            values.push(write.bind(column)?);
        }
        if self.upserting {
            self.upsert(changes.len(), &keys, &values, write)
        } else {
            self.update(changes.len(), &keys, &values, write)
        }
    }

    /// By the keys' index and not by a join: so rows are locked in the order of their keys by
    /// everybody, and Postgres 18 does not leave out rows that change while it waits for them.
    fn update(
        &self,
        rows: usize,
        keys: &Placeholder,
        values: &[Placeholder],
        write: &mut Write,
    ) -> Result<(), Failure> {
        let Self { name, key, columns, .. } = self;
        let after: Vec<String> = { columns.iter().zip(values) }
            .map(|(column, value)| format!("{column} + ({value})[array_position({keys}, {key})]"))
            .collect();
        let set: Vec<String> = columns
            .iter()
            .zip(&after)
            .map(|(column, after)| format!("{column} = {after}"))
            .collect();
        let kept: Vec<String> =
            self.guarded().map(|at| format!(" AND {} >= 0", after[at])).collect();
        let (set, kept) = (set.join(", "), kept.concat());
        write.part_of(rows, &format!("UPDATE {name} SET {set} WHERE {key} = ANY({keys}){kept}"))
    }

    /// What a row comes to is looked at afterwards, whether it was there before or not.
    fn upsert(
        &self,
        rows: usize,
        keys: &Placeholder,
        values: &[Placeholder],
        write: &mut Write,
    ) -> Result<(), Failure> {
        let Self { name, key, columns, .. } = self;
        let values: Vec<String> = values.iter().map(|value| format!("unnest({value})")).collect();
        let set: Vec<String> = { columns.iter() }
            .map(|column| format!("{column} = {name}.{column} + excluded.{column}"))
            .collect();
        let upsert = format!(
            "INSERT INTO {name} ({key}, {}) SELECT unnest({keys}), {}
             ON CONFLICT ({key}) DO UPDATE SET {}",
            columns.join(", "),
            values.join(", "),
            set.join(", ")
        );
        let kept: Vec<String> =
            self.guarded().map(|at| format!("{name}.{} >= 0", columns[at])).collect();
        if kept.is_empty() {
            write.part(&upsert);
            return Ok(());
        }
        let written = write.part(&format!("{upsert} RETURNING {} AS kept", kept.join(" AND ")));
        let rows = write.bind(i64::try_from(rows).unwrap_or(i64::MAX))?;
        write.only_if(format!("(SELECT count(*) FROM {written} WHERE kept) = {rows}"));
        Ok(())
    }

    /// The places of the columns that do not fall below zero.
    fn guarded(&self) -> impl Iterator<Item = usize> {
        (0..N).filter(|at| self.non_negative[*at])
    }
}

/// Whether two texts are the same. (Comparing them with `==` is not possible in constants yet.)
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
