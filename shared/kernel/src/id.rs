use uuid::Uuid;

/// The least `UUIDv7` of a time in milliseconds since 1970: its first 48 bits are that (RFC 9562, 5.7). What
/// was made then or later has a larger one.
pub fn least_id(milliseconds: u64) -> Uuid {
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_time_are_not_less_and_those_of_before_are() {
        let id = Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0001);
        let made_at = 0x019b_76da_a800;
        assert!(least_id(made_at) <= id && id < least_id(made_at + 1));
    }
}
