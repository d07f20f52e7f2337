use contracts::operations::Entry;

/// The body of a request to place an order.
pub(crate) fn bodies(data: &[u8]) {
    if order::check_body(data).is_ok() {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(data);
        assert!(json.is_ok_and(|json| json.is_object()), "an order is a JSON object");
    }
}

/// An entry of the operators' log: its key, a zero byte, and what it says.
pub(crate) fn entries(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (key, payload) = (parts.next(), parts.next());
    let Ok(entry) = Entry::parse(key, payload) else { return };
    if matches!(entry, Entry::Unknown) {
        return;
    }
    // What was taken would be taken again: nothing in it grows when it is written.
    let written = serde_json::to_vec(&entry).unwrap_or_default();
    let again = Entry::parse(key, Some(&written));
    assert!(again.is_ok(), "{again:?}");
}
