use contracts::Envelope;

/// A record's headers: each is a name and a value, all ended by a zero byte; a value that is missing
/// at the end is one that is not there.
pub(crate) fn headers(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let mut all = Vec::new();
    while let Some(name) = parts.next() {
        let Ok(name) = std::str::from_utf8(name) else { return };
        all.push((name, parts.next()));
    }
    let Ok(envelope) = Envelope::parse(all.into_iter()) else { return };
    // What was taken is what would be written again: it goes on into rows, logs and other events.
    let written = envelope.headers();
    let again =
        Envelope::parse(written.iter().map(|(name, value)| (*name, Some(value.as_bytes()))));
    assert_eq!(again.as_ref(), Ok(&envelope));
    for (name, value) in &written {
        assert!(value.len() <= 512, "{name} has {} bytes", value.len());
        assert!(!value.chars().any(char::is_control), "{name} is {value:?}");
    }
}
