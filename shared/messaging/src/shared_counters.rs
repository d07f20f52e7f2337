use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::failure::Failure;
use crate::service::Shared;
use crate::tables::counter_table::CounterTable;
use crate::tables::statement::{Found, Read, Write};

/// Which counters a service's sagas share, and which of them it takes to decide. As a rule the service
/// itself says so; where there are several tables, a type for each does, and
/// [`Service::Shared`](crate::Service::Shared) is a pair of [`Counters`].
pub trait SharedCounters<const N: usize>: 'static {
    /// What is decided on.
    type Input;

    /// Where the counters are kept. No other counters of the service are kept there.
    const TABLE: CounterTable<N>;

    /// The keys whose numbers it takes to decide on this input; by default none, which is enough for
    /// sums.
    fn keys(input: &Self::Input) -> impl Iterator<Item = &str> {
        let _ = input;
        std::iter::empty()
    }
}

/// Counters that sagas share, such as the pieces of each SKU, the points of each customer, or the
/// sums of each day: in a service's [`decide`](crate::Service::decide) they can be asked for and
/// added to.
///
/// - **What is added counts once**, however often an event comes: it is written by the statement that
///   also writes the inbox and the states.
/// - **Nothing is lost** when instances add to the same keys at once. No lock is held between the read
///   and the write: changes are written and not numbers, and rows are locked in the order of their
///   keys.
/// - **What is read is read before the batch**, so it may be old when it is decided on. Only that a
///   column does not fall below zero is guarded, where the table
///   [says so](CounterTable::non_negative).
/// - **A batch costs one part of the statement that writes**, and one of that which reads if there are
///   keys to be read, whatever the number of keys.
///
/// That the counters fit what the states say is for the audit to check: by a
/// [`Book`](contracts::Book) that [`Holds::NoRow`](contracts::Holds::NoRow), a query that finds the
/// rows which do not, such as `I1-stock`.
///
/// ```
/// use farandole_messaging::{CounterTable, Counters, Failure, SharedCounters};
///
/// struct Loyalty;
/// # struct Input { customer: String }
///
/// impl SharedCounters<2> for Loyalty {
///     type Input = Input;
///     const TABLE: CounterTable<2> =
///         CounterTable::new("points", "customer", ["balance", "spent"])
///             .non_negative(&["balance"])
///             .upserting();
///
///     fn keys(input: &Input) -> impl Iterator<Item = &str> {
///         std::iter::once(input.customer.as_str())
///     }
/// }
///
/// // In `decide`, with `type Shared = Counters<Self, 2>` in `impl Service for Loyalty`:
/// fn spend(points: &mut Counters<Loyalty, 2>, customer: &str) -> Result<(), Failure> {
///     match points.get(customer) {
///         Some([balance, _]) if balance >= 100 => points.add(customer, [-100, 100]),
///         _ => Ok(()),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Counters<T, const N: usize> {
    rows: BTreeMap<String, Row<N>>,
    /// The part by which they are read.
    part: Option<usize>,
    table: PhantomData<fn() -> T>,
}

#[derive(Debug, Clone, Copy)]
struct Row<const N: usize> {
    /// The numbers, if they were read, with what the batch has changed.
    numbers: Option<[i64; N]>,
    /// What the batch has changed.
    change: [i64; N],
}

impl<const N: usize> Row<N> {
    const UNREAD: Self = Self { numbers: None, change: [0; N] };
}

impl<T, const N: usize> Default for Counters<T, N> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), part: None, table: PhantomData }
    }
}

impl<T: SharedCounters<N>, const N: usize> Counters<T, N> {
    /// The numbers of this key as they were read before the batch, with what the batch has changed so
    /// far. `None` if the key was not [to be read](SharedCounters::keys), or if there is no such row
    /// and the table is not [upserting](CounterTable::upserting).
    pub fn get(&self, key: &str) -> Option<[i64; N]> {
        self.rows.get(key)?.numbers
    }

    /// Adds to the numbers of this key, whether or not they were read.
    ///
    /// Fails as [`Failure::Poison`] if a number that was read would fall below zero where the table
    /// forbids that: the decision should have asked. (If it was not read, that is a
    /// [`Failure::Conflict`] when it is written.) The same if a number would be too large for its
    /// column.
    pub fn add(&mut self, key: &str, change: [i64; N]) -> Result<(), Failure> {
        let row = match self.rows.get_mut(key) {
            Some(row) => row,
            None => self.rows.entry(key.to_owned()).or_insert(Row::UNREAD),
        };
        row.change = T::TABLE.sum(row.change, change)?;
        if let Some(numbers) = row.numbers {
            row.numbers = Some(T::TABLE.checked(T::TABLE.sum(numbers, change)?)?);
        }
        Ok(())
    }
}

impl<T: SharedCounters<N>, const N: usize> Shared<T::Input> for Counters<T, N> {
    fn read<'i>(
        &mut self,
        inputs: impl Iterator<Item = &'i T::Input> + Clone,
        read: &mut Read,
    ) -> Result<(), Failure>
    where
        T::Input: 'i,
    {
        let mut keys: Vec<&str> = inputs.flat_map(T::keys).collect();
        if keys.is_empty() {
            return Ok(());
        }
        keys.sort_unstable();
        keys.dedup();
        if T::TABLE.is_upserting() {
            let zero = Row { numbers: Some([0; N]), ..Row::UNREAD };
            self.rows.extend(keys.iter().map(|key| ((*key).to_owned(), zero)));
        }
        self.part = Some(T::TABLE.read(keys, read)?);
        Ok(())
    }

    fn take(&mut self, row: &Found) -> Result<bool, Failure> {
        if Some(row.part) != self.part {
            return Ok(false);
        }
        let (key, numbers) = CounterTable::row(row)?;
        self.rows.insert(key.to_owned(), Row { numbers: Some(numbers), ..Row::UNREAD });
        Ok(true)
    }

    fn write(&self, write: &mut Write) -> Result<(), Failure> {
        let changes = self.rows.iter().map(|(key, row)| (key.as_str(), row.change));
        let changes: Vec<_> = changes.filter(|(_, change)| *change != [0; N]).collect();
        T::TABLE.write(&changes, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shelves;

    impl SharedCounters<2> for Shelves {
        type Input = Vec<&'static str>;
        const TABLE: CounterTable<2> =
            CounterTable::new("shelves", "sku", ["free", "taken"]).non_negative(&["free"]);

        fn keys(input: &Self::Input) -> impl Iterator<Item = &str> {
            input.iter().copied()
        }
    }

    struct Points;

    impl SharedCounters<1> for Points {
        type Input = Vec<&'static str>;
        const TABLE: CounterTable<1> = CounterTable::new("points", "customer", ["balance"])
            .non_negative(&["balance"])
            .upserting();

        fn keys(input: &Self::Input) -> impl Iterator<Item = &str> {
            input.iter().copied()
        }
    }

    fn has<T: SharedCounters<N>, const N: usize>(key: &str, numbers: [i64; N]) -> Counters<T, N> {
        let row = Row { numbers: Some(numbers), ..Row::UNREAD };
        Counters { rows: [(key.to_owned(), row)].into(), ..Counters::default() }
    }

    fn changes<T, const N: usize>(counters: &Counters<T, N>) -> Vec<(&str, [i64; N])> {
        counters.rows.iter().map(|(key, row)| (key.as_str(), row.change)).collect()
    }

    #[test]
    fn changes_add_up_by_key_whether_or_not_the_numbers_are_known() {
        let mut shelves = has::<Shelves, 2>("tea", [4, 1]);
        for (key, change) in [
            ("tea", [-3, 3]),
            ("pot", [-7, 7]),
            ("tea", [1, -1]),
            ("pot", [2, -2]),
            ("cup", [0, 0]),
        ] {
            shelves.add(key, change).unwrap();
        }
        assert_eq!(changes(&shelves), [("cup", [0, 0]), ("pot", [-5, 5]), ("tea", [-2, 2])]);
        assert_eq!(shelves.get("tea"), Some([2, 3]));
        assert_eq!(shelves.get("pot"), None, "it was not read");
    }

    #[test]
    fn changes_that_cancel_out_are_not_written() {
        let mut shelves = Counters::<Shelves, 2>::default();
        shelves.add("tea", [-3, 3]).unwrap();
        let mut write = Write::default();
        shelves.write(&mut write).unwrap();
        assert!(!write.is_empty());
        shelves.add("tea", [3, -3]).unwrap();
        let mut write = Write::default();
        shelves.write(&mut write).unwrap();
        assert!(write.is_empty());
    }

    #[test]
    fn what_was_read_does_not_fall_below_zero_where_it_must_not() {
        let mut shelves = has::<Shelves, 2>("tea", [4, 1]);
        shelves.add("tea", [-4, -9]).unwrap();
        let refused = shelves.add("tea", [-1, 0]).unwrap_err();
        assert!(matches!(refused, Failure::Poison(_)));
        assert_eq!(refused.to_string(), "shelves.free would fall below zero");
        shelves.add("pot", [-1, 0]).unwrap();
    }

    #[test]
    fn what_no_column_can_hold_is_refused() {
        let mut shelves = Counters::<Shelves, 2>::default();
        shelves.add("tea", [0, i64::MAX]).unwrap();
        let refused = shelves.add("tea", [0, 1]).unwrap_err();
        assert!(matches!(refused, Failure::Poison(_)));
        assert_eq!(refused.to_string(), "shelves.taken would be too large");
    }

    #[test]
    fn only_an_upserting_table_has_zeros_where_no_row_is() {
        let inputs = [vec!["b", "a"], vec!["b"]];
        let mut read = Read::default();
        let mut shelves = Counters::<Shelves, 2>::default();
        shelves.read(inputs.iter(), &mut read).unwrap();
        assert_eq!((shelves.part, shelves.get("a")), (Some(0), None));
        let mut points = Counters::<Points, 1>::default();
        points.read(inputs.iter(), &mut read).unwrap();
        assert_eq!((points.part, points.get("a"), points.get("c")), (Some(1), Some([0]), None));
        points.add("a", [5]).unwrap();
        assert_eq!(points.get("a"), Some([5]));
        assert!(points.add("b", [-1]).is_err());

        let mut nothing = Read::default();
        Counters::<Points, 1>::default().read([].iter(), &mut nothing).unwrap();
        assert!(nothing.is_empty());
    }
}
